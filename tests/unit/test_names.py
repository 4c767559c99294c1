"""Reading table names, and partition names within 63 bytes."""

import pytest

from include.partitioning.errors import BadArgumentError
from include.partitioning.names import TableName, fitted


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("core.sessions", "core", "sessions"),
        ('core."Sessions"', "core", "Sessions"),
        ('"my schema"."a.b"', "my schema", "a.b"),
        ('core."say ""hi"""', "core", 'say "hi"'),
        ("größe.ñandú", "größe", "ñandú"),
        ("core._a$1", "core", "_a$1"),
    ],
)
def test_a_name_is_read_as_the_catalog_stores_it(text: str, schema: str, name: str) -> None:
    assert TableName.parse(text) == TableName(schema, name)


@pytest.mark.parametrize(
    "text",
    ["sessions", "a.b.c", "", ".", "core.", ".sessions", "core..sessions", 'core."sessions', 'core.""', "core.sessions ", "core .sessions"],
)
def test_what_is_not_schema_and_table_is_refused(text: str) -> None:
    with pytest.raises(BadArgumentError, match=r"schema\.table"):
        TableName.parse(text)


@pytest.mark.parametrize("text", ["Core.sessions", "core.my-table", "core.1st"])
def test_an_unquoted_part_that_needs_quotes_is_refused_and_not_folded(text: str) -> None:
    with pytest.raises(BadArgumentError, match=r"needs double quotes"):
        TableName.parse(text)


def test_a_part_over_63_bytes_is_refused_and_one_of_63_is_not() -> None:
    assert TableName.parse("core." + "é" * 31 + "a").name == "é" * 31 + "a"
    with pytest.raises(BadArgumentError, match=r"63 bytes"):
        TableName.parse("core." + "é" * 32)


@pytest.mark.parametrize(
    "name",
    [
        TableName("core", "sessions"),
        TableName("Core", 'a"b'),
        TableName("a.b", "c d"),
        TableName("core", "line\nbreak"),
        TableName("core", "\U0001f600"),
        TableName("core", "no\u00a0break"),
        TableName("core", "next\u0085line"),
        TableName("core", "wide\u3000space"),
    ],
)
def test_a_printed_name_reads_back_as_itself(name: TableName) -> None:
    assert TableName.parse(str(name)) == name


def test_a_name_is_printed_with_quotes_only_where_it_must_be() -> None:
    assert str(TableName("core", "sessions")) == "core.sessions"
    assert str(TableName("Core", "a.b")) == '"Core"."a.b"'


def test_a_name_of_63_bytes_is_left_alone() -> None:
    assert fitted("a" * 55, "_p202510") == "a" * 55 + "_p202510"


def test_a_name_over_63_bytes_is_cut_and_stays_unique() -> None:
    first, second = fitted("a" * 60 + "1", "_p202510"), fitted("a" * 60 + "2", "_p202510")
    assert len(first) == 63
    assert first.startswith("a" * 40)
    assert first.endswith("_p202510")
    assert first != second


def test_a_name_is_cut_between_characters() -> None:
    for stem in ("é" * 31, "a" + "é" * 31, "\U0001f600" * 15):
        name = fitted(stem, "_p2025101405")
        assert len(name.encode()) <= 63
        assert name.endswith("_p2025101405")
        assert stem.startswith(name[: name.index("_")])
