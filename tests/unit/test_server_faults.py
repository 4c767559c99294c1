"""What is refused on servers with known faults, release by release."""

import pytest

from include.partitioning.names import TableName
from include.partitioning.server_faults import why_no_concurrent_index, why_no_detach

EVENTS, USERS = TableName("app", "events"), TableName("auth", "users")


@pytest.mark.parametrize("version", [140000, 140003])
def test_an_index_is_not_built_concurrently_before_14_4(version: int) -> None:
    assert f"PostgreSQL 14.{version % 10} can corrupt an index" in str(why_no_concurrent_index(version))
    assert "(mended in 14.4)" in str(why_no_concurrent_index(version))


@pytest.mark.parametrize("version", [140004, 140023, 150000, 180004, 190000])
def test_an_index_is_built_concurrently_since(version: int) -> None:
    assert why_no_concurrent_index(version) is None


@pytest.mark.parametrize(
    ("version", "mended"),
    [(140000, "14.14"), (140013, "14.14"), (150008, "15.9"), (160004, "16.5"), (170000, "17.1")],
)
def test_no_detach_where_the_foreign_key_to_a_partitioned_table_would_be_lost(version: int, mended: str) -> None:
    said = str(why_no_detach(version, EVENTS, [USERS]))
    assert '"app.events" has a foreign key to the partitioned table "auth.users"' in said
    assert f"(mended in {mended})" in said
    assert why_no_detach(version, EVENTS, []) is None


@pytest.mark.parametrize("version", [140014, 150009, 160005, 170001, 180000, 180004])
def test_a_detach_is_safe_since(version: int) -> None:
    assert why_no_detach(version, EVENTS, [USERS]) is None
