"""The command that writes .env."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from demo.local_airflow import PROJECT
from deploy import make_env
from tests.compose.compose_file import variables_of


def test_every_name_gets_a_secret_of_its_own_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    assert make_env.main(tmp_path) == 0
    written = variables_of((tmp_path / ".env").read_text())
    assert set(written) == set(variables_of((PROJECT / ".env.example").read_text()))
    assert len(set(written.values())) == len(written)
    assert all(len(value) >= 44 for value in written.values())
    Fernet(written["FERNET_KEY"].encode())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_secrets_that_are_in_use_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("FERNET_KEY=in use\n")
    assert make_env.main(tmp_path) == 1
    assert (tmp_path / ".env").read_text() == "FERNET_KEY=in use\n"
    assert "left alone" in capsys.readouterr().err
