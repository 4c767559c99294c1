"""Names as the server would choose them; `test_build_indexes.py` compares with the server itself."""

import pytest

from include.partitioning.index_names import own_name


def test_a_name_says_table_and_columns() -> None:
    assert own_name("sessions", ["user_id", "created_at"]) == "sessions_user_id_created_at_idx"
    assert own_name("sessions", ["lower"], 2) == "sessions_lower_idx2"


@pytest.mark.parametrize(("table", "columns"), [("x" * 63, ["a"]), ("t", ["y" * 63, "z"]), ("é" * 31, ["🐘" * 15, "b"])])
def test_it_has_at_most_63_bytes_and_no_character_is_cut_in_two(table: str, columns: list[str]) -> None:
    for number in (0, 1, 10):
        name = own_name(table, columns, number)
        assert 60 <= len(name.encode()) <= 63
        assert name.endswith(f"_idx{number or ''}")
