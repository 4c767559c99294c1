"""Whether pg_partman could go on with a table."""

import pytest

from include.partitioning.give_back import Rename, obstacles_to_giving_back, remarks_on_giving_back
from include.partitioning.names import TableName
from tests.unit.partman_tables import YEARS, config, cut, part

RENAME = Rename(TableName("core", "sessions_p202611"), "sessions_p2026_11")


def test_a_table_of_its_own_grain_is_given_back() -> None:
    assert obstacles_to_giving_back(config(), cut(), [RENAME], template_missing=False) == []


def test_a_name_that_is_taken_a_template_that_is_gone_and_another_grain_stop_it() -> None:
    taken = Rename(RENAME.partition, RENAME.name, "a view")
    months = cut(part("2026-11-01", "2026-12-01"), part("2026-12-01", "2027-03-01"))
    found = obstacles_to_giving_back(config(template_table="a.b"), months, [RENAME, taken], template_missing=True)
    assert [each.split(";")[0] for each in found] == [
        '"core.sessions_p202611" should be called "sessions_p2026_11", but that is a view',
        'the template table "a.b" is gone, and pg_partman makes no partition without it',
        '"core.sessions_p20261201" [2026-12-01, 2027-03-01) is not one month: pg_partman makes the next partition 1 mon after the beginning '
        "of the newest, and would fail",
    ]


@pytest.mark.parametrize(("keeps", "fate"), [(True, "detaches it"), (False, "drops it, without an archive")])
def test_what_its_retention_will_do_is_said(keeps: bool, fate: str) -> None:
    found = remarks_on_giving_back(config(retention_length=YEARS, retention_keep_table=keeps), cut())
    assert any(each.endswith(fate) for each in found)
