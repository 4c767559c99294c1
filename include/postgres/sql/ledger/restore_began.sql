INSERT INTO partition_lifecycle.restored (system_identifier, database_oid, relation_oid, relation, parent, archive_id, mode)
VALUES (%(system_identifier)s, %(database_oid)s::oid, %(oid)s::oid, %(relation)s, %(parent)s, %(archive_id)s, %(mode)s)
