"""How archived columns meet those of a table that has changed since."""

from include.partitioning.column import Column
from include.partitioning.fit import fit_columns

ID, NOTE, AT = Column("id", "integer", "int4"), Column("note", "text", "text"), Column("at", "timestamp with time zone", "timestamptz")


def test_the_same_columns_are_loaded_and_compared_without_a_word() -> None:
    fit = fit_columns([ID, NOTE], [ID, NOTE])
    assert (fit.loaded, fit.compared, fit.remarks) == ((ID, NOTE), (ID, NOTE), ())


def test_a_column_that_is_gone_is_neither_loaded_nor_compared() -> None:
    fit = fit_columns([ID, NOTE], [ID])
    assert (fit.loaded, fit.compared) == ((ID,), (ID,))
    assert 'column "note" is in the archive but no longer in the table' in fit.remarks[0]


def test_a_column_that_was_added_keeps_its_default() -> None:
    fit = fit_columns([ID], [ID, NOTE])
    assert fit.loaded == (ID,)
    assert 'column "note" was added since' in fit.remarks[0]


def test_a_column_of_another_type_is_loaded_but_not_compared() -> None:
    fit = fit_columns([ID, AT], [Column("id", "bigint", "int8"), AT])
    assert (fit.loaded, fit.compared) == ((ID, AT), (AT,))
    assert "was integer and is bigint now" in fit.remarks[0]


def test_a_generated_column_is_computed_and_compared() -> None:
    fit = fit_columns([ID, NOTE], [ID, Column("note", "text", "text", generated=True)])
    assert (fit.loaded, fit.compared) == ((ID,), (ID, NOTE))


def test_the_order_of_the_archive_is_kept() -> None:
    assert fit_columns([NOTE, ID], [ID, NOTE]).loaded == (NOTE, ID)
