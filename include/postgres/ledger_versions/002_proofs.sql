-- Archives: the whole manifest, so that either survives the loss of the other, and how it was proven. What was found in the storage and
-- only written down (verified_at NULL) permits no drop before it was compared with the table at hand.
ALTER TABLE partition_lifecycle.archive
  ALTER COLUMN verified_at DROP NOT NULL,
  ALTER COLUMN verified_at DROP DEFAULT,
  ADD COLUMN proof text,
  ADD COLUMN manifest text,
  ADD COLUMN snapshot_taken_at timestamptz,
  ADD COLUMN drill_tried_at timestamptz,
  ADD COLUMN drilled_at timestamptz,
  ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp();
CREATE INDEX archive_by_name ON partition_lifecycle.archive (parent, partition, recorded_at);
COMMENT ON TABLE partition_lifecycle.archive IS 'Archives; snapshot_xmin is the 64-bit pg_snapshot_xmin of the export';
COMMENT ON COLUMN partition_lifecycle.archive.path IS 'Folder of the archive; its _manifest.json has the SHA-256 of the next column';
COMMENT ON COLUMN partition_lifecycle.archive.verified_at IS 'When the stored objects were compared with the table; NULL: found in the storage, not compared';
COMMENT ON COLUMN partition_lifecycle.archive.manifest IS 'The manifest, byte for byte';
COMMENT ON COLUMN partition_lifecycle.archive.drilled_at IS 'When it was last restored for a drill, and every row was as it was archived';

CREATE TABLE partition_lifecycle.hold (
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  partition_oid     oid NOT NULL,
  partition         text NOT NULL,
  held_until        timestamptz,
  reason            text NOT NULL,
  held_at           timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  database_user     name NOT NULL DEFAULT session_user,
  PRIMARY KEY (system_identifier, database_oid, partition_oid)
);
COMMENT ON TABLE partition_lifecycle.hold IS 'Partitions that are neither archived, detached nor dropped before held_until (NULL: before the row is deleted)';

CREATE TABLE partition_lifecycle.restored (
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  relation_oid      oid NOT NULL,
  relation          text NOT NULL,
  parent            text NOT NULL,
  archive_id        uuid NOT NULL,
  mode              text NOT NULL,
  begun_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at       timestamptz,
  database_user     name NOT NULL DEFAULT session_user,
  PRIMARY KEY (system_identifier, database_oid, relation_oid)
);
COMMENT ON TABLE partition_lifecycle.restored IS 'Tables that were built from archives; finished_at NULL: under way, or interrupted and removed by the next attempt';

CREATE SCHEMA IF NOT EXISTS partition_lifecycle_drill;
COMMENT ON SCHEMA partition_lifecycle_drill IS 'Restore drills build their tables here, and drop them again';
