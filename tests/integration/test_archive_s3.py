"""The life of a partition whose archive lies in an object store, spoken to over HTTP: on good days, and when the network or the store fails."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException
from fsspec import get_filesystem_class

from include.archive import storage
from include.archive.manifest import Manifest
from include.partitioning.errors import ArchiveError, StorageUnavailableError
from include.partitioning.policy import PartitionPolicy
from include.postgres.ledger import Ledger
from tests.integration import object_store
from tests.integration.conftest import Lifecycle
from tests.integration.object_store import Bucket, Proxy

OLD = "app.events_p202408"
PREFIX = "some/prefix"
FOLDER = f"{PREFIX}/app.events/events_p202408"
FIRST, SECOND = f"{FOLDER}/archive_version=1", f"{FOLDER}/archive_version=2"
DATA, MANIFEST = f"{FIRST}/part-00000.parquet", f"{FIRST}/_manifest.json"
PART = 5 << 20
"""The smallest part that S3 takes."""


@dataclass
class OnS3:
    """The small table, a bucket of its own, and the proxy between them."""

    lifecycle: Lifecycle
    proxy: Proxy
    bucket: Bucket

    def policy(self, **archive: Any) -> PartitionPolicy:
        return self.lifecycle.policy(archive={"path": f"s3://{self.bucket.name}/{PREFIX}", "conn_id": "object_store", **archive})

    def archive(self, **archive: Any) -> str:
        """Archive the oldest partition."""
        return self.lifecycle.archive_partition(OLD, policy=self.policy(**archive))

    def archive_and_detach(self) -> None:
        self.archive()
        self.lifecycle.detach(OLD)

    def path(self, key: str) -> ObjectStoragePath:
        return ObjectStoragePath(f"s3://{self.bucket.name}/{key}", conn_id="object_store")

    def rows(self, key: str = DATA) -> int:
        rows: int = pq.read_table(BytesIO(self.bucket.read(key))).num_rows
        return rows

    def archives_in_ledger(self) -> int:
        number: int = self.lifecycle.value("SELECT count(*) FROM partition_lifecycle.archive")
        return number

    def fill(self, megabytes: int) -> None:
        """Add rows with so much text, which can be packed to half of its size and no further: hexadecimal digits."""
        self.lifecycle.sql(
            """INSERT INTO app.events SELECT 1000 + g, 1, timestamptz '2024-08-03 00:00+00' + g * interval '1 second',
            (SELECT string_agg(md5(g::text || '/' || h::text), '') FROM generate_series(1, 64) h) FROM generate_series(1, %s) g""",
            megabytes * 512,
        )


@pytest.fixture(scope="module")
def s3_server() -> Iterator[int]:
    with object_store.serving() as port:
        yield port


@pytest.fixture
def on_s3(lifecycle: Lifecycle, s3_server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnS3]:
    """`lifecycle` with a policy whose archive is in a new bucket. File systems are not kept from test to test."""
    bucket = Bucket.at(s3_server, f"archive-{uuid.uuid4().hex}")
    bucket.create()
    with object_store.proxied(s3_server) as proxy:
        monkeypatch.setenv("AIRFLOW_CONN_OBJECT_STORE", object_store.connection_json(proxy.port))
        forget_connections(monkeypatch)
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 2)
        on_s3 = OnS3(lifecycle, proxy, bucket)
        lifecycle.values["archive"] = on_s3.policy().archive
        yield on_s3


def forget_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new task starts with: Airflow keeps stores, and fsspec file systems, for as long as the process lives."""
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})
    get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "UPLOAD_PART", PART)


def test_the_whole_life_of_a_partition_leaves_two_objects_that_hold_all_its_rows(on_s3: OnS3) -> None:
    assert "50 rows" in on_s3.archive()
    assert on_s3.bucket.objects() == [MANIFEST, DATA]
    assert Manifest.from_json(on_s3.bucket.read(MANIFEST), "it").rows == 50
    assert "archived already" in on_s3.archive()
    on_s3.lifecycle.detach(OLD)
    assert "dropped" in on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)
    assert on_s3.bucket.objects() == [MANIFEST, DATA]
    assert on_s3.rows() == 50
    assert on_s3.bucket.unfinished_uploads() == []


def test_an_archive_after_a_late_write_lies_beside_the_first_which_is_untouched(on_s3: OnS3) -> None:
    on_s3.archive()
    before = {key: on_s3.bucket.read(key) for key in (DATA, MANIFEST)}
    on_s3.lifecycle.detach(OLD)
    on_s3.lifecycle.sql(f"INSERT INTO {OLD} VALUES (99, 1, '2024-08-05')")
    with pytest.raises(AirflowFailException, match=r"1 rows were written after"):
        on_s3.lifecycle.drop(OLD)
    on_s3.archive()
    assert on_s3.bucket.objects() == [MANIFEST, DATA, f"{SECOND}/_manifest.json", f"{SECOND}/part-00000.parquet"]
    assert {key: on_s3.bucket.read(key) for key in (DATA, MANIFEST)} == before
    assert on_s3.rows(f"{SECOND}/part-00000.parquet") == 51
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


def test_several_files_are_written_side_by_side(on_s3: OnS3) -> None:
    on_s3.fill(1)
    assert "read back and compared" in on_s3.archive(files=2, proof="full")
    parts = [f"{FIRST}/part-0000{number}.parquet" for number in range(2)]
    assert on_s3.bucket.objects() == [MANIFEST, *parts]
    assert sum(map(on_s3.rows, parts)) == on_s3.lifecycle.value(f"SELECT count(*) FROM {OLD}")


def test_names_that_no_url_takes_as_they_are_come_back(on_s3: OnS3) -> None:
    on_s3.lifecycle.sql("""
        CREATE TABLE app."a table?" (at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE app."a table?_p202408" PARTITION OF app."a table?" FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00');
        CREATE TABLE app."a table?_p202611" PARTITION OF app."a table?" FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
        INSERT INTO app."a table?" VALUES ('2024-08-02');
    """)
    policy = on_s3.lifecycle.policy(table='app."a table?"', partition_key="at")
    for step in (on_s3.lifecycle.archive_partition, on_s3.lifecycle.detach, on_s3.lifecycle.drop):
        step('app."a table?_p202408"', policy=policy)
    assert on_s3.rows(f"{PREFIX}/app.a~20~table~3f~/a~20~table~3f~_p202408/archive_version=1/part-00000.parquet") == 1


@pytest.mark.parametrize("megabytes", [0, 7], ids=["in one request", "in parts"])
@pytest.mark.usefixtures("small_parts")
def test_an_object_that_appears_under_the_name_during_an_upload_is_not_overwritten(on_s3: OnS3, megabytes: int) -> None:
    target = on_s3.path(DATA)

    def race() -> None:
        with storage.new_file(target) as file:
            file.write(b"ours" + os.urandom(megabytes << 20))
            on_s3.bucket.write(DATA, b"theirs")

    with pytest.raises(ArchiveError, match=r"it exists already; an archive is never overwritten"):
        race()
    assert on_s3.bucket.read(DATA) == b"theirs"
    assert on_s3.bucket.unfinished_uploads() == []
    with pytest.raises(ArchiveError, match=r"it exists already"), storage.new_file(target):
        pass
    assert on_s3.bucket.read(DATA) == b"theirs"


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_a_large_file_goes_up_in_parts_and_is_proven(on_s3: OnS3) -> None:
    on_s3.fill(22)
    assert "read back and compared" in on_s3.archive()
    assert len(on_s3.bucket.read(DATA)) > 2 * PART
    assert on_s3.proxy.count(r"^PUT .*partNumber=") >= 3
    assert on_s3.rows() == on_s3.lifecycle.value(f"SELECT count(*) FROM {OLD}")
    on_s3.lifecycle.detach(OLD)
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


def test_a_bucket_that_does_not_exist_is_named_and_not_created(on_s3: OnS3) -> None:
    nowhere = Bucket(f"no-{on_s3.bucket.name}", on_s3.bucket.client)
    with pytest.raises(AirflowFailException, match=f"{nowhere.name}.*there is no such object or bucket"):
        on_s3.archive(path=f"s3://{nowhere.name}/{PREFIX}")
    assert not nowhere.exists()
    assert on_s3.archives_in_ledger() == 0
    assert on_s3.lifecycle.value("SELECT outcome FROM partition_lifecycle.event ORDER BY event_id DESC LIMIT 1") == "failed"


@pytest.mark.parametrize("request_pattern", ["", "^PUT ", "^GET [^?]*part-", "^PUT .*_manifest.json"])
def test_an_identity_without_rights_is_told_to_get_them_and_not_to_try_again(on_s3: OnS3, request_pattern: str) -> None:
    on_s3.proxy.deny(request_pattern)
    with pytest.raises(AirflowFailException, match=r"the storage denies access .* give the connection's identity the right"):
        on_s3.archive()
    assert MANIFEST not in on_s3.bucket.objects()
    assert on_s3.archives_in_ledger() == 0
    on_s3.proxy.mend()
    assert "read back and compared" in on_s3.archive()


def test_an_identity_that_may_not_delete_archives_beside_what_it_cannot_remove(on_s3: OnS3) -> None:
    on_s3.proxy.deny("^GET [^?]*part-00000")
    with pytest.raises(AirflowFailException, match=r"denies access"):
        on_s3.archive()
    on_s3.proxy.mend()
    on_s3.proxy.deny("^(DELETE|POST .*delete)")
    assert "read back and compared" in on_s3.archive()
    assert on_s3.bucket.objects() == [DATA, f"{SECOND}/_manifest.json", f"{SECOND}/part-00000.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("request_pattern", [r"^PUT .*parquet$", r"^PUT .*partNumber=2", r"^POST .*uploadId=", r"^PUT .*_manifest.json"])
@pytest.mark.usefixtures("small_parts")
def test_a_connection_that_is_cut_during_an_upload_leaves_nothing_that_reads_as_an_archive(on_s3: OnS3, request_pattern: str) -> None:
    if "partNumber" in request_pattern or "uploadId" in request_pattern:
        on_s3.fill(6)
    on_s3.proxy.cut_request(request_pattern, after=100)
    with pytest.raises(StorageUnavailableError):
        on_s3.archive(compression="none")
    assert on_s3.bucket.objects() == ([DATA] if "_manifest" in request_pattern else [])
    assert on_s3.bucket.unfinished_uploads() == []
    assert on_s3.archives_in_ledger() == 0
    on_s3.proxy.mend()
    assert "read back and compared" in on_s3.archive()
    assert on_s3.bucket.objects() == [f"{SECOND}/_manifest.json", f"{SECOND}/part-00000.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("request_pattern", [r"^POST .*uploads", r"^PUT .*partNumber=2", r"^POST .*uploadId="])
@pytest.mark.usefixtures("small_parts")
def test_a_store_that_is_too_busy_for_an_upload_in_parts_is_asked_to_forget_it(on_s3: OnS3, request_pattern: str) -> None:
    on_s3.fill(6)
    on_s3.proxy.busy(request_pattern)
    with pytest.raises(StorageUnavailableError):
        on_s3.archive(compression="none")
    assert on_s3.bucket.objects() == on_s3.bucket.unfinished_uploads() == []
    on_s3.proxy.mend()
    assert "read back and compared" in on_s3.archive()


@pytest.mark.slow
@pytest.mark.parametrize("request_pattern", [r"^PUT .*part-00000", r"^POST .*uploadId=", r"^PUT .*_manifest.json"])
@pytest.mark.usefixtures("small_parts")
def test_an_upload_whose_answer_is_lost_is_not_taken_for_somebody_else_s(on_s3: OnS3, request_pattern: str) -> None:
    """The client asks again, and is told that the object exists: it is the one that it wrote."""
    if "uploadId" in request_pattern:
        on_s3.fill(6)
    on_s3.proxy.cut_response(request_pattern, times=1)
    assert "read back and compared" in on_s3.archive(compression="none")
    assert on_s3.proxy.faults[0].times == 0
    assert on_s3.bucket.objects() == [MANIFEST, DATA]


@pytest.mark.slow
def test_a_store_that_is_busy_for_a_moment_is_asked_again(on_s3: OnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OBJECT_STORE", object_store.connection_json(on_s3.proxy.port, retries=1))
    for request_pattern in ("^PUT", "^GET", "^HEAD"):
        on_s3.proxy.busy(request_pattern, times=1)
    assert "read back and compared" in on_s3.archive()
    assert on_s3.bucket.objects() == [MANIFEST, DATA]


@pytest.mark.slow
def test_an_archive_that_cannot_be_read_back_to_its_end_is_none(on_s3: OnS3) -> None:
    on_s3.proxy.cut_response("^GET [^?]*part-00000", after=1000)
    with pytest.raises(StorageUnavailableError):
        on_s3.archive()
    assert on_s3.bucket.objects() == [DATA]
    on_s3.proxy.mend()
    on_s3.proxy.cut_response("^GET [^?]*part-00000", after=1000, times=1)
    assert "read back and compared" in on_s3.archive()


@pytest.mark.slow
def test_a_server_that_answers_slowly_is_waited_for(on_s3: OnS3) -> None:
    on_s3.proxy.delay = 0.2
    assert "read back and compared" in on_s3.archive()
    assert on_s3.bucket.objects() == [MANIFEST, DATA]


@pytest.mark.slow
def test_a_server_that_does_not_answer_in_time_is_tried_again_later(on_s3: OnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    monkeypatch.setenv("AIRFLOW_CONN_OBJECT_STORE", object_store.connection_json(on_s3.proxy.port, read_timeout=0.3))
    on_s3.proxy.delay = 1
    with pytest.raises(StorageUnavailableError):
        on_s3.archive()
    on_s3.proxy.mend()
    assert on_s3.bucket.objects() == []


@pytest.mark.slow
def test_an_endpoint_where_nobody_listens_is_tried_again_later(on_s3: OnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_OBJECT_STORE", object_store.connection_json(object_store.closed_port()))
        with pytest.raises(StorageUnavailableError, match=r"check the storage connection"):
            on_s3.archive()
    assert on_s3.lifecycle.value("SELECT outcome FROM partition_lifecycle.event ORDER BY event_id DESC LIMIT 1") == "failed"
    forget_connections(monkeypatch)
    assert "read back and compared" in on_s3.archive()


@pytest.mark.slow
def test_a_drop_waits_for_a_store_that_does_not_answer(on_s3: OnS3) -> None:
    on_s3.archive_and_detach()
    on_s3.proxy.busy("^GET")
    with pytest.raises(StorageUnavailableError):
        on_s3.lifecycle.drop(OLD)
    assert on_s3.lifecycle.exists(OLD)
    on_s3.proxy.mend()
    on_s3.proxy.deny("^GET")
    with pytest.raises(AirflowFailException, match=r"denies access"):
        on_s3.lifecycle.drop(OLD)
    assert on_s3.lifecycle.exists(OLD)
    on_s3.proxy.mend()
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


def delete(bucket: Bucket) -> None:
    bucket.delete(DATA)


def truncate(bucket: Bucket) -> None:
    bucket.write(DATA, bucket.read(DATA)[:-1])


def replace(bucket: Bucket) -> None:
    data = bucket.read(DATA)
    bucket.write(DATA, data[:200] + bytes([data[200] ^ 1]) + data[201:])


def lengthen(bucket: Bucket) -> None:
    bucket.write(DATA, bucket.read(DATA) + b"\0")


def swap_files(bucket: Bucket) -> None:
    swap(bucket, "part-00000.parquet")


def swap_archives(bucket: Bucket) -> None:
    swap(bucket, "part-00000.parquet", "_manifest.json")


def swap(bucket: Bucket, *names: str) -> None:
    """With the next month, which has as many rows."""
    for name in names:
        ours, theirs = (f"{PREFIX}/app.events/{month}/archive_version=1/{name}" for month in ("events_p202408", "events_p202409"))
        at_ours, at_theirs = bucket.read(ours), bucket.read(theirs)
        bucket.write(ours, at_theirs)
        bucket.write(theirs, at_ours)


def change_manifest(bucket: Bucket) -> None:
    bucket.write(MANIFEST, bucket.read(MANIFEST).replace(b'"rows": 50', b'"rows": 51'))


def delete_manifest(bucket: Bucket) -> None:
    bucket.delete(MANIFEST)


def delete_all(bucket: Bucket) -> None:
    for key in bucket.objects():
        bucket.delete(key)


DAMAGES = (delete, truncate, replace, lengthen, swap_files, swap_archives, change_manifest, delete_manifest, delete_all)


def test_an_archive_that_is_no_longer_what_was_proven_refuses_the_drop_until_it_is_restored(on_s3: OnS3) -> None:
    on_s3.archive_and_detach()
    on_s3.lifecycle.archive_partition("app.events_p202409")
    proven = {key: on_s3.bucket.read(key) for key in on_s3.bucket.objects()}
    for damage in DAMAGES:
        damage(on_s3.bucket)
        with pytest.raises(AirflowFailException, match=r"is not the (file|manifest) that was written|there is no such object or bucket"):
            on_s3.lifecycle.drop(OLD)
        assert on_s3.lifecycle.value(f"SELECT count(*) FROM {OLD}") == 50, damage.__name__
        for key, data in proven.items():
            on_s3.bucket.write(key, data)
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


@pytest.mark.parametrize("damage", [truncate, delete_all])
def test_an_archive_that_is_no_longer_what_was_proven_is_written_anew_beside_what_is_left(
    on_s3: OnS3, damage: Callable[[Bucket], None]
) -> None:
    on_s3.archive_and_detach()
    damage(on_s3.bucket)
    left = on_s3.bucket.objects()
    assert "read back and compared" in on_s3.archive()
    on_s3.lifecycle.drop(OLD)
    assert on_s3.bucket.objects() == [*left, f"{SECOND}/_manifest.json", f"{SECOND}/part-00000.parquet"]
    assert on_s3.rows(f"{SECOND}/part-00000.parquet") == 50


def test_a_listing_that_this_process_saw_earlier_does_not_hide_a_damage(on_s3: OnS3) -> None:
    """File systems keep listings, with the sizes of the files, for as long as the process lives."""
    on_s3.archive_and_detach()
    folder = on_s3.path(FIRST)
    assert [each.name for each in storage.listed(folder)] == ["_manifest.json", "part-00000.parquet"]
    data = on_s3.bucket.read(DATA)
    on_s3.bucket.write(DATA, data + b"\0")
    with pytest.raises(AirflowFailException, match=r"is not the file that was written"):
        on_s3.lifecycle.drop(OLD)
    assert storage.listed(folder)
    on_s3.bucket.write(DATA, data)
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


def test_a_prefix_that_holds_another_database_s_archives_is_refused_unless_the_policy_says_it_was_this_one(on_s3: OnS3) -> None:
    on_s3.archive()
    source = Manifest.from_json(on_s3.bucket.read(MANIFEST), "it").source
    stranger = str(source.database_oid + 1)
    theirs = on_s3.bucket.read(MANIFEST).replace(f'"database_oid": {source.database_oid}'.encode(), f'"database_oid": {stranger}'.encode())
    on_s3.bucket.write(MANIFEST, theirs)
    with pytest.raises(AirflowFailException, match=r"is an archive of another database .* archive.former_databases"):
        on_s3.lifecycle.archive_partition("app.events_p202409")
    assert on_s3.bucket.objects() == [MANIFEST, DATA]
    policy = on_s3.policy(former_databases=(f"{source.system_identifier}/{stranger}",))
    assert "read back and compared" in on_s3.lifecycle.archive_partition("app.events_p202409", policy=policy)
    assert on_s3.bucket.read(MANIFEST) == theirs


def test_a_finished_archive_that_an_interrupted_task_forgot_is_compared_and_not_written_again(on_s3: OnS3) -> None:
    on_s3.archive()
    on_s3.lifecycle.sql("DELETE FROM partition_lifecycle.archive")
    on_s3.proxy.requests.clear()
    assert "found again and compared with the table" in on_s3.archive()
    assert on_s3.proxy.count("^PUT") == on_s3.proxy.count("^POST") == 0
    assert on_s3.proxy.count("^GET [^?]*part-00000") > 0
    assert on_s3.bucket.objects() == [MANIFEST, DATA]
    on_s3.lifecycle.detach(OLD)
    on_s3.lifecycle.drop(OLD)
    assert not on_s3.lifecycle.exists(OLD)


def test_a_forgotten_archive_that_was_damaged_is_left_alone_and_another_one_written(on_s3: OnS3) -> None:
    on_s3.archive()
    on_s3.lifecycle.sql("DELETE FROM partition_lifecycle.archive")
    replace(on_s3.bucket)
    damaged = on_s3.bucket.read(DATA)
    assert "read back and compared" in on_s3.archive()
    assert on_s3.bucket.read(DATA) == damaged
    assert on_s3.rows(f"{SECOND}/part-00000.parquet") == 50


class KilledError(BaseException):
    """The worker is gone."""


def kill(*_: object, **__: object) -> None:
    raise KilledError


def test_an_upload_that_was_killed_before_its_manifest_is_removed_and_the_next_version_written(
    on_s3: OnS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("partition_operators.archive_partition.check_archive", kill)
        with pytest.raises(KilledError):
            on_s3.archive()
    assert on_s3.bucket.objects() == [DATA]
    theirs = f"{FOLDER}/archive_version=7/notes.txt"
    on_s3.bucket.write(theirs, b"somebody else's")
    on_s3.archive()
    assert on_s3.bucket.objects() == [theirs, *(f"{FOLDER}/archive_version=8/{name}" for name in ("_manifest.json", "part-00000.parquet"))]


def test_an_archive_that_was_killed_before_the_ledger_knew_of_it_is_found_again(on_s3: OnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record_archive", kill)
        with pytest.raises(KilledError):
            on_s3.archive()
    assert "found again and compared with the table" in on_s3.archive()
    assert on_s3.bucket.objects() == [MANIFEST, DATA]


def test_folders_and_objects_that_somebody_made_in_the_console_disturb_nothing(on_s3: OnS3) -> None:
    for key in (f"{PREFIX}/", f"{PREFIX}/app.events/", f"{FOLDER}/", f"{PREFIX}/app.events/README", f"{FOLDER}/archive_version=x"):
        on_s3.bucket.write(key, b"")
    on_s3.archive_and_detach()
    assert "archived already" in on_s3.archive()
    on_s3.lifecycle.drop(OLD)
    assert on_s3.rows() == 50


def test_a_connection_that_does_not_exist_is_not_replaced_by_whatever_the_machine_may_do(
    on_s3: OnS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's hook for AWS takes the machine's own identity, and Amazon's own endpoint, for a connection that it does not find."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-machine-itself")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of no importance")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{object_store.HOST}:{on_s3.proxy.port}")
    with pytest.raises(AirflowFailException, match=r'connection "?no_such_connection'):
        on_s3.archive(conn_id="no_such_connection")
    assert on_s3.bucket.objects() == []


def test_what_fails_in_the_middle_of_writing_is_said_and_not_what_fails_after_it(on_s3: OnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "UPLOAD_PART", PART)
    on_s3.fill(6)
    on_s3.proxy.deny(r"^POST .*uploads")
    begun = time.monotonic()
    with pytest.raises(AirflowFailException, match=r"denies access"):
        on_s3.archive(compression="none")
    assert time.monotonic() - begun < 10
