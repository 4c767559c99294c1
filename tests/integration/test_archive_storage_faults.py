"""Archives in folders of this machine: a disk that is full, folders that may not be written or are none, and what a power cut would leave."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from include.archive import storage
from include.partitioning.errors import ArchiveError, StorageUnavailableError
from include.postgres.ledger import Ledger
from tests.integration.conftest import Lifecycle

OLD = "app.events_p202408"
FOLDER = Path("app.events/events_p202408")
ROOT_OF_PROJECT = Path(__file__).parents[2]
NOBODY = 65534


class KilledError(BaseException):
    """The worker is gone."""


def files(lifecycle: Lifecycle) -> list[str]:
    return sorted(str(each.relative_to(lifecycle.archive)) for each in lifecycle.archive.rglob("*") if each.is_file())


def archive_files(version: int) -> list[str]:
    return [str(FOLDER / f"archive_version={version}" / name) for name in ("_manifest.json", "part-00000.parquet")]


def archives_in_ledger(lifecycle: Lifecycle) -> int:
    number: int = lifecycle.value("SELECT count(*) FROM partition_lifecycle.archive")
    return number


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=10)  # noqa: S603, S607 - arguments of ours


@pytest.fixture
def small_disk(lifecycle: Lifecycle) -> Iterator[Path]:
    """The archive's folder, on a disk of its own that has room for a few files of 50 rows."""
    lifecycle.archive.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(lifecycle.archive))
    except (OSError, subprocess.SubprocessError):
        pytest.skip("only root can mount a disk")
    try:
        yield lifecycle.archive
    finally:
        subprocess.run(["umount", lifecycle.archive], check=True, timeout=10)  # noqa: S603, S607 - arguments of ours


def test_a_disk_that_is_full_in_the_middle_of_a_file_is_tried_again_and_then_cleaned_up(lifecycle: Lifecycle, small_disk: Path) -> None:
    lifecycle.sql(
        f"INSERT INTO {OLD} SELECT 1000 + g, 1, '2024-08-05', md5(g::text) || md5((g + .5)::text) FROM generate_series(1, 5000) g"
    )
    with pytest.raises(StorageUnavailableError, match=r"part-00000.parquet.*No space left on device"):
        lifecycle.archive_partition(OLD)
    assert not any(each.endswith(("/part-00000.parquet", "/_manifest.json")) for each in files(lifecycle))
    assert archives_in_ledger(lifecycle) == 0
    assert lifecycle.value("SELECT outcome FROM partition_lifecycle.event ORDER BY event_id DESC LIMIT 1") == "failed"
    mount("-o", "remount,size=16m", str(small_disk))
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert files(lifecycle) == archive_files(2)


def test_a_disk_that_is_full_when_the_manifest_is_written_leaves_no_archive(lifecycle: Lifecycle, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes((64 << 10) - 4096))  # leaves room for one small file
    with pytest.raises(StorageUnavailableError, match=r"_manifest.json.*No space left on device"):
        lifecycle.archive_partition(OLD)
    assert str(FOLDER / "archive_version=1/_manifest.json") not in files(lifecycle)
    (small_disk / "ballast").unlink()
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert files(lifecycle) == archive_files(2)


def test_a_disk_that_was_mounted_for_reading_only_fails_and_is_tried_again(lifecycle: Lifecycle, small_disk: Path) -> None:
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(StorageUnavailableError, match=r"Read-only file system"):
        lifecycle.archive_partition(OLD)
    mount("-o", "remount,rw", str(small_disk))
    assert "read back and compared" in lifecycle.archive_partition(OLD)


LIMITED = """
import resource, sys
from fsspec.implementations.local import LocalFileSystem
from upath import UPath
from include.archive.storage import new_file
from include.partitioning.errors import StorageUnavailableError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with new_file(UPath(sys.argv[1])) as file:
        for _ in range(100):
            file.write(bytes(10_000))
except StorageUnavailableError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_any_further_does_not_appear_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "part-00000.parquet"
    command = [sys.executable, "-c", LIMITED, f"file://{target}"]
    ran = subprocess.run(command, check=False, cwd=ROOT_OF_PROJECT, capture_output=True, text=True, timeout=60)  # noqa: S603 - a script of ours
    assert "File too large" in ran.stdout, ran.stderr
    assert str(target) in ran.stdout
    assert [each.name for each in tmp_path.iterdir()] in ([], [storage.UPLOADING + target.name])


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Whom the modes of folders bind; the tests may be run by root, who is above them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that everybody may read and nobody may write to. Not below pytest's own, which others may not even enter."""
    with tempfile.TemporaryDirectory(prefix="archive-of-tests-") as name:
        folder = Path(name)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_a_folder_without_permission_is_named_with_what_to_do(locked_folder: Path) -> None:
    folder = ObjectStoragePath(f"file://{locked_folder}/app.events")
    with ordinary_user(), pytest.raises(ArchiveError, match=r"app.events.*denies access .*give the connection's identity the right"):
        storage.make_folder(folder)
    with ordinary_user(), pytest.raises(ArchiveError, match=r"denies access"), storage.new_file(folder.parent / "part-00000.parquet"):
        pass
    assert list(locked_folder.iterdir()) == []


def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(locked_folder: Path) -> None:
    """Else a version that lies there would be written over, or another database's archives overlooked."""
    locked_folder.chmod(0o700)
    (locked_folder / "archive_version=1").mkdir()
    locked_folder.chmod(0o300)
    with ordinary_user(), pytest.raises(ArchiveError, match=r"denies access"):
        storage.listed(ObjectStoragePath(f"file://{locked_folder}"))


@pytest.mark.parametrize("place", [".", "app.events", str(FOLDER)])
def test_a_file_where_a_folder_should_be_is_named_and_left_as_it_is(lifecycle: Lifecycle, place: str) -> None:
    blocker = lifecycle.archive / place
    blocker.parent.mkdir(parents=True, exist_ok=True)
    blocker.write_bytes(b"somebody else's")
    with pytest.raises(AirflowFailException, match=f"{lifecycle.archive}.*a file lies where a folder should be"):
        lifecycle.archive_partition(OLD)
    assert blocker.read_bytes() == b"somebody else's"
    assert archives_in_ledger(lifecycle) == 0
    blocker.unlink()
    assert "read back and compared" in lifecycle.archive_partition(OLD)


def test_a_file_with_the_name_of_a_version_is_passed_over(lifecycle: Lifecycle) -> None:
    blocker = lifecycle.archive / FOLDER / "archive_version=1"
    blocker.parent.mkdir(parents=True)
    blocker.write_bytes(b"somebody else's")
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert blocker.read_bytes() == b"somebody else's"
    assert (lifecycle.archive / FOLDER / "archive_version=2/_manifest.json").exists()


def test_a_file_that_somebody_put_between_the_folders_disturbs_nothing(lifecycle: Lifecycle) -> None:
    for place in ("_SUCCESS", "app.events/README", str(FOLDER / "notes.txt")):
        (lifecycle.archive / place).parent.mkdir(parents=True, exist_ok=True)
        (lifecycle.archive / place).write_bytes(b"somebody else's")
    lifecycle.archive_partition(OLD)
    lifecycle.archive_partition("app.events_p202409")
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


@pytest.mark.parametrize("syncs", [1, 4, 5, 9], ids=["a new folder", "the data file", "its folder", "the manifest"])
def test_files_that_a_killed_worker_left_under_temporary_names_are_removed(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, syncs: int
) -> None:
    lifecycle.archive.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed_at(syncs))
        with pytest.raises(KilledError):
            lifecycle.archive_partition(OLD)
    assert [Path(each).name for each in files(lifecycle)] == {
        1: [],
        4: ["_uploading-part-00000.parquet"],
        5: ["part-00000.parquet"],
        9: ["_uploading-_manifest.json", "part-00000.parquet"],
    }[syncs]
    assert "read back and compared" in lifecycle.archive_partition(OLD)
    assert files(lifecycle) == archive_files(2)


def killed_at(number: int) -> Callable[[int], None]:
    """A sync that does not come back the time with this number."""
    left = iter([None] * (number - 1))

    def sync(_: int) -> None:
        try:
            next(left)
        except StopIteration:
            raise KilledError from None

    return sync


def test_temporary_files_that_are_not_known_to_be_ours_are_left_alone_and_no_reader_sees_them(lifecycle: Lifecycle) -> None:
    stale = lifecycle.archive / FOLDER / "archive_version=1" / "_uploading-part-00000.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"PAR1 half of it")
    lifecycle.archive_partition(OLD)
    assert stale.exists()
    assert pq.read_table(lifecycle.archive / "app.events").num_rows == 50
    lifecycle.detach(OLD)
    lifecycle.drop(OLD)
    assert not lifecycle.exists(OLD)


def test_files_and_folders_are_durable_before_the_ledger_says_that_there_is_an_archive(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is new is synced: each file under its temporary name, then the folder it is renamed in, up to the first that was there before."""
    lifecycle.archive = lifecycle.archive / "made" / "of several"
    done: list[str] = []
    sync, rename, write = os.fsync, Path.rename, Ledger._write

    def noted_sync(handle: int) -> None:
        sync(handle)
        done.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def noted_rename(self: Path, target: Path) -> Path:
        done.append(f"rename to {target.name}")
        return rename(self, target)

    def noted_write(self: Ledger, name: str, /, **values: object) -> None:
        done.append(name)
        write(self, name, **values)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    monkeypatch.setattr(Ledger, "_write", noted_write)
    lifecycle.archive_partition(OLD)

    version = lifecycle.archive / FOLDER / "archive_version=1"
    told = done.index("record_archive")
    for name in ("part-00000.parquet", "_manifest.json"):
        written, renamed = done.index(str(version / f"_uploading-{name}")), done.index(f"rename to {name}")
        assert written < renamed < done.index(str(version), renamed) < told
    new = [version, *version.parents]
    for folder in new[: new.index(lifecycle.archive.parents[2]) + 1]:
        assert str(folder) in done[:told], folder


def test_an_archive_whose_ledger_row_was_lost_with_the_connection_is_found_again(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: Ledger, *_: object, **__: object) -> None:
        self._connection.close()
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record_archive", lost)
        with pytest.raises(Exception, match=r"the connection is lost"):
            lifecycle.archive_partition(OLD)
    assert "found again and compared with the table" in lifecycle.archive_partition(OLD)
    assert files(lifecycle) == archive_files(1)
