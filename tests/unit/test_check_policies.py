"""The command that checks policy files, without a database: what it prints and how it exits."""

import json
from pathlib import Path

import pytest

from include.check_policies import main
from include.partitioning.config import DEFAULT_FOLDER, policy_file_schema


def test_good_policies_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(DEFAULT_FOLDER)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "2 policies are good, 0 problems\n"
    assert printed.err == ""


def test_a_problem_is_printed_with_file_line_key_and_good_value_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("policies:\n  - {table: core.good, partition_key: at}\n  - table: core.bad\n    partition_key: at\n    premake: 0\n")
    assert main([str(file)]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"{file}:5: premake: input should be greater than or equal to 1, not 0; for example: 3\n"
    assert printed.out == "1 policies are good, 1 problems\n"


def test_a_faulty_default_is_printed_once_and_not_for_every_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("defaults: {partition_key: at, premake: 0}\npolicies:\n  - table: core.a\n  - table: core.b\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().err.count("premake:") == 1


def test_a_place_that_does_not_exist_exits_with_1_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    assert f"{tmp_path / 'nowhere'}:1: policies: there is no such file or folder" in capsys.readouterr().err


def test_the_environment_names_the_policies_when_no_argument_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path))
    assert main([]) == 1
    assert f"{tmp_path}:1: policies: holds no policy" in capsys.readouterr().err


def test_the_schema_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(policy_file_schema()))
