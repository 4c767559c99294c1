"""What a person is told before a table is taken over."""

import pytest

from include.partitioning.cut_table import Around
from include.partitioning.interval import Interval
from include.partitioning.names import TableName
from include.partitioning.partman import Length, PartmanConfig
from include.partitioning.take_over_remarks import remarks
from tests.unit.partman_tables import YEARS, config, cut, part

OLD = TableName("core", "sessions_p2020_01")
ALWAYS = ['the next partition is called "sessions_p202612"; those that are there keep their names, by which nothing is decided']


def test_of_a_table_that_goes_on_as_it_was_only_the_next_name_is_said() -> None:
    assert remarks(config(infinite_time_partitions=True, retention_length=YEARS), cut(), Around()) == ALWAYS


@pytest.mark.parametrize(
    ("said", "remark"),
    [
        (config(), "makes partitions as rows come in"),
        (config(premake=2000), "premake is 2000; a policy keeps at most 1000 ready"),
        (config(template_table="partman.t"), 'the template table "partman.t" is not read'),
        (config(retention_length=YEARS, retention_keep_table=False), "drops expired partitions without an archive"),
        (
            config(retention_length=YEARS, retention_keep_table=False, retention_schema="old"),
            'moves expired partitions to the schema "old"',
        ),
        (config(retention_length=YEARS, retention_keep_index=False), "drops the indexes of partitions that it detaches"),
        (config(retention_length=Length(0, 0, 0)), "the retention '2 years' cannot be taken over"),
        (config(retention="1000000"), "the retention '1000000' cannot be taken over"),
        (config(constraint_cols=["id"]), "constraint_cols is ['id']"),
        (config(publications=["p"]), "publish the table itself"),
        (config(subscription_refresh="s"), "subscription_refresh is s"),
    ],
)
def test_what_will_be_otherwise_is_said(said: PartmanConfig, remark: str) -> None:
    assert any(remark in each for each in remarks(said, cut(), Around()))


@pytest.mark.parametrize(
    ("around", "remark"),
    [
        (Around(template_ahead=("index btree (note)",)), "lack it: index btree (note); add it"),
        (Around(kept=(OLD,)), 'beside it: 1 former partition ("core.sessions_p2020_01"); no policy reaches them'),
        (Around(default_has_rows=True), "before they are moved: `default_partition: drain`"),
        (Around(default_has_rows=None), "could not be told"),
        (Around(of_others=((OLD, "partman"),)), '1 partition ("core.sessions_p2020_01") of others than the owner of the table'),
    ],
)
def test_what_is_around_it_is_named(around: Around, remark: str) -> None:
    assert any(remark in each for each in remarks(config(), cut(), around))


def test_partitions_that_will_never_expire_are_named() -> None:
    odd = [part(f"2026-0{month}-02", f"2026-0{month}-09T01:00") for month in range(1, 6)]
    whole = [part("2026-10-01", "2026-11-01"), part("2026-11-01", "2026-11-02"), part("2026-11-02", "2026-12-01")]
    found = remarks(config(), cut(*odd, *whole, interval=Interval.MONTH), Around())[0]
    assert found.startswith("6 partitions never expire")
    assert found.endswith("and 3 more")
