"""The command that lists the pools of policies."""

from pathlib import Path

import pytest

from include import list_pools
from include.partitioning.errors import PolicyError
from include.partitioning.policy import PartitionPolicy

POLICY = "policies:\n  - {table: core.a, partition_key: t, pool: small}\n  - {table: core.b, partition_key: t}\n  - {table: core.c, partition_key: t, pool: small}\n"


def test_each_pool_is_listed_once_and_the_one_that_airflow_has_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policies.yaml").write_text(POLICY)
    assert list_pools.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "small\n"


def test_a_policy_that_is_not_good_is_named_and_the_pools_of_the_others_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policies.yaml").write_text(POLICY + "  - {table: core.d, partition_key: t, pool: two words}\n")
    assert list_pools.main([str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == "small\n"
    assert "policies.yaml:5: pool" in said.err


@pytest.mark.parametrize("name", ["", "two words", "a;b", "$(reboot)"])
def test_a_pool_has_a_name_that_a_shell_leaves_alone(name: str) -> None:
    with pytest.raises(PolicyError, match="pool"):
        PartitionPolicy(table="core.a", partition_key="t", pool=name)
