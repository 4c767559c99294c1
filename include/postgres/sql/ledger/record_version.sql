INSERT INTO partition_lifecycle.schema_version (version) VALUES (%(version)s)
