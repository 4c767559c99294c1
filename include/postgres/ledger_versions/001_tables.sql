CREATE SCHEMA partition_lifecycle;
COMMENT ON SCHEMA partition_lifecycle IS 'Bookkeeping of the partition lifecycle: what was created, archived, detached and dropped, when and by which run';

CREATE TABLE partition_lifecycle.schema_version (
  version      integer PRIMARY KEY,
  installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  installed_by name NOT NULL DEFAULT session_user
);

CREATE TABLE partition_lifecycle.event (
  event_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  happened_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  action        text NOT NULL,
  outcome       text NOT NULL,
  parent        text NOT NULL,
  partition     text,
  partition_oid oid,
  lower_bound   text,
  upper_bound   text,
  rows          bigint,
  bytes         bigint,
  lock_wait_ms  bigint,
  detail        text,
  dag_id        text,
  run_id        text,
  task_id       text,
  map_index     integer,
  try_number    integer,
  database_user name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE partition_lifecycle.event IS 'Append-only: one row for everything that a step began, did, refused or failed to do';
CREATE INDEX event_by_parent ON partition_lifecycle.event (parent, action, happened_at);
CREATE INDEX event_by_run ON partition_lifecycle.event (dag_id, run_id);

CREATE FUNCTION partition_lifecycle.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'partition_lifecycle.event is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON partition_lifecycle.event
  FOR EACH STATEMENT EXECUTE FUNCTION partition_lifecycle.refuse_change();

CREATE TABLE partition_lifecycle.archive (
  archive_id        uuid PRIMARY KEY,
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  parent_oid        oid NOT NULL,
  parent            text NOT NULL,
  partition_oid     oid NOT NULL,
  partition         text NOT NULL,
  lower_bound       text NOT NULL,
  upper_bound       text NOT NULL,
  shape_digest      text NOT NULL,
  path              text NOT NULL,
  manifest_sha256   text NOT NULL,
  rows              bigint NOT NULL,
  bytes             bigint NOT NULL,
  snapshot_xmin     bigint NOT NULL,
  verified_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  database_user     name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE partition_lifecycle.archive IS 'Archives that were read back from storage and compared; snapshot_xmin is the 64-bit pg_snapshot_xmin of the export';
COMMENT ON COLUMN partition_lifecycle.archive.path IS 'Folder of the archive; its manifest.json has the SHA-256 of the next column';
CREATE INDEX archive_by_partition ON partition_lifecycle.archive (partition_oid, verified_at);

CREATE TABLE partition_lifecycle.detached_partition (
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  partition_oid     oid NOT NULL,
  partition         text NOT NULL,
  parent_oid        oid NOT NULL,
  parent            text NOT NULL,
  lower_bound       text NOT NULL,
  upper_bound       text NOT NULL,
  columns_digest    text NOT NULL,
  announced_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  detached_at       timestamptz,
  drop_after        timestamptz,
  dropped_at        timestamptz,
  PRIMARY KEY (system_identifier, database_oid, partition_oid)
);
COMMENT ON TABLE partition_lifecycle.detached_partition IS 'A detached table has left pg_inherits; this is how it is found again. drop_after NULL: kept';
