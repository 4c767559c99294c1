"""DDL, composed from identifiers and literals. No statement is ever formatted from text of ours or a user's.

`server_text` is the one exception: definitions that the server itself printed, with every name already quoted. (`policy_text` runs nowhere
but on an empty table that is rolled back.)
"""

from datetime import datetime
from typing import LiteralString

from psycopg import sql

from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.names import TableName


def named(name: TableName) -> sql.Identifier:
    """A schema-qualified name."""
    return sql.Identifier(name.schema, name.name)


def server_text(text: str) -> sql.SQL:
    """Text that `pg_get_indexdef` and its like printed in this session: valid SQL whoever chose the names in it."""
    return sql.SQL(text)


def policy_text(text: str) -> sql.SQL:
    """SQL that the author of a policy wrote. Never run on a table of anybody's: see `index_definitions`."""
    return sql.SQL(text)


def option(text: str, prefix: LiteralString = "") -> sql.Composed:
    """A storage parameter or a column's option, which the catalog has as `name=value`.

    :param prefix: `toast.`
    """
    name, _, value = text.partition("=")
    return sql.SQL("{}{} = {}").format(sql.SQL(prefix), sql.Identifier(name), sql.Literal(value))


def set_local_role(role: str) -> sql.Composed:
    """Become the owner until the end of the transaction, so that what is created belongs to it (manual, SET ROLE)."""
    return sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role))


def set_local_asynchronous_commit() -> sql.Composed:
    """Do not wait for the disk at this transaction's commit (manual 28.4). Only for what the next run does again if a crash takes it: the log
    is written in order, so whatever relies on it, such as a row in a new partition, is not acknowledged before it is safe as well.
    """
    return sql.SQL("SET LOCAL synchronous_commit = off").format()


def reset_role() -> sql.Composed:
    """Be the lifecycle role again; only it writes the ledger. RESET ROLE would go back to a role that is set for the one that logs in."""
    return sql.SQL("SET ROLE NONE").format()


def bounds_check(constraint: str, key: str, key_type: KeyType, bounds: Bounds) -> sql.Composed:
    """A CHECK that implies the partition bound, so that ATTACH need not scan (manual 5.12.2.2), for CREATE TABLE.

    It says IS NOT NULL, and its literals have the column's own type: otherwise PostgreSQL does not find the proof.
    """
    return sql.SQL("CONSTRAINT {} CHECK ({key} IS NOT NULL AND {key} >= {lower} AND {key} < {upper})").format(
        sql.Identifier(constraint),
        key=sql.Identifier(key),
        lower=_typed(bounds.lower, key_type),
        upper=_typed(bounds.upper, key_type),
    )


def attach(parent: TableName, partition: TableName, key_type: KeyType, bounds: Bounds) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the parent, which neither readers nor writers notice (manual, ALTER TABLE)."""
    return sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
        named(parent), named(partition), sql.Literal(key_type.literal(bounds.lower)), sql.Literal(key_type.literal(bounds.upper))
    )


def detach(parent: TableName, partition: TableName, *, concurrently: bool) -> sql.Composed:
    """CONCURRENTLY: SHARE UPDATE EXCLUSIVE on the parent, and a wait for older transactions; plain: ACCESS EXCLUSIVE."""
    ending = sql.SQL(" CONCURRENTLY") if concurrently else sql.SQL("")
    return sql.SQL("ALTER TABLE {} DETACH PARTITION {}{}").format(named(parent), named(partition), ending)


def finalize(parent: TableName, partition: TableName) -> sql.Composed:
    """Complete a detach that was interrupted while it waited."""
    return sql.SQL("ALTER TABLE {} DETACH PARTITION {} FINALIZE").format(named(parent), named(partition))


def add_constraint(table: TableName, constraint: str, definition: str) -> sql.Composed:
    """ACCESS EXCLUSIVE on the table; what is not NOT VALID is checked at once.

    :param definition: as the server prints it.
    """
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(named(table), sql.Identifier(constraint), server_text(definition))


def drop_constraint(table: TableName, *constraints: str) -> sql.Composed:
    """For a foreign key: ACCESS EXCLUSIVE on the referenced table as well, for the moment of the transaction."""
    drops = sql.SQL(", ").join(sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(each)) for each in constraints)
    return sql.SQL("ALTER TABLE {} {}").format(named(table), drops)


def validate_constraint(table: TableName, constraint: str) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the table, ROW SHARE on one that is referred to (manual, ALTER TABLE)."""
    return sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(named(table), sql.Identifier(constraint))


def lock_exclusively(table: TableName, *, only: bool = False) -> sql.Composed:
    """Keep everybody out until the end of the transaction.

    :param only: of a partitioned table alone, not of its partitions one by one.
    """
    return sql.SQL("LOCK TABLE {}{} IN ACCESS EXCLUSIVE MODE").format(sql.SQL("ONLY ") if only else sql.SQL(""), named(table))


def lock_only(table: TableName, mode: str) -> sql.Composed:
    """Lock a partitioned table without its partitions, or a table without those that inherit from it."""
    return sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(named(table), sql.SQL(mode))


def attach_default(parent: TableName, partition: TableName) -> sql.Composed:
    """As `attach`; its rows are read for any that belong elsewhere."""
    return sql.SQL("ALTER TABLE {} ATTACH PARTITION {} DEFAULT").format(named(parent), named(partition))


def set_schema(table: TableName, schema: str) -> sql.Composed:
    """ACCESS EXCLUSIVE on the table; its indexes and constraints come along, its extended statistics do not."""
    return sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(named(table), sql.Identifier(schema))


def set_schema_of_statistics(statistics: TableName, schema: str) -> sql.Composed:
    """Of an extended statistics object."""
    return sql.SQL("ALTER STATISTICS {} SET SCHEMA {}").format(named(statistics), sql.Identifier(schema))


def comment_on_table(table: TableName, text: str) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the table."""
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(named(table), sql.Literal(text))


def comment_on_schema(schema: str, text: str) -> sql.Composed:
    """By the schema's owner."""
    return sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(schema), sql.Literal(text))


def rename_table(table: TableName, name: str) -> sql.Composed:
    """ACCESS EXCLUSIVE on the table."""
    return sql.SQL("ALTER TABLE {} RENAME TO {}").format(named(table), sql.Identifier(name))


def drop_table(table: TableName) -> sql.Composed:
    """Never CASCADE: what depends on it stops the drop."""
    return sql.SQL("DROP TABLE {} RESTRICT").format(named(table))


def drop_function(function: TableName) -> sql.Composed:
    """One of which there is only one with this name."""
    return sql.SQL("DROP FUNCTION {} RESTRICT").format(named(function))


def create_schema(schema: str, owner: str) -> sql.Composed:
    """A schema that belongs to `owner`."""
    return sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(schema), sql.Identifier(owner))


def create_like(table: TableName, model: TableName) -> sql.Composed:
    """An empty table with the same columns: ACCESS SHARE on the model."""
    return sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING GENERATED)").format(named(table), named(model))


def drop_schema(schema: str) -> sql.Composed:
    """RESTRICT: what somebody else has put there stops it."""
    return sql.SQL("DROP SCHEMA {} RESTRICT").format(sql.Identifier(schema))


def drop_index(index: TableName) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the table (manual, DROP INDEX)."""
    return sql.SQL("DROP INDEX CONCURRENTLY {}").format(named(index))


def drop_partitioned_index(index: TableName) -> sql.Composed:
    """With its parts: ACCESS EXCLUSIVE on the table and all its partitions; CONCURRENTLY is refused (manual, DROP INDEX). We only ever name it."""
    return sql.SQL("DROP INDEX {}").format(named(index))


def reindex(index: TableName) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the table while a second index is built beside the first (manual, REINDEX)."""
    return sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(named(index))


def create_index(name: str, table: TableName, definition: sql.SQL, *, unique: bool) -> sql.Composed:
    """SHARE UPDATE EXCLUSIVE on the table while it is built (manual, CREATE INDEX).

    :param definition: what the server prints behind the table's name: method, columns, options, predicate.
    """
    word = sql.SQL("UNIQUE ") if unique else sql.SQL("")
    return sql.SQL("CREATE {}INDEX CONCURRENTLY {} ON {}{}").format(word, sql.Identifier(name), named(table), definition)


def create_index_on_only(name: str, table: TableName, definition: sql.SQL, *, unique: bool) -> sql.Composed:
    """Of a partitioned table, not of its partitions, and invalid until each has its part: SHARE on the table for the moment of the transaction,
    for which its writers wait, and nothing on partitions (manual, CREATE INDEX).

    :param definition: as of `create_index`.
    """
    word = sql.SQL("UNIQUE ") if unique else sql.SQL("")
    return sql.SQL("CREATE {}INDEX {} ON ONLY {}{}").format(word, sql.Identifier(name), named(table), definition)


def set_default_tablespace(tablespace: str, *, local: bool) -> sql.Composed:
    """Where what is created lies if its statement does not say it."""
    return sql.SQL("SET {}default_tablespace = {}").format(sql.SQL("LOCAL " if local else ""), sql.Identifier(tablespace))


def reset_default_tablespace() -> sql.Composed:
    """The database's own, as `session.SETTINGS` says."""
    return sql.SQL("SET default_tablespace = ''").format()


def attach_index(index: TableName, part: TableName) -> sql.Composed:
    """A partition's index becomes part of the parent's: SHARE UPDATE EXCLUSIVE on the parent's, ACCESS EXCLUSIVE on the partition's."""
    return sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(named(index), named(part))


def analyze(table: TableName, *, only: bool = False) -> sql.Composed:
    """ONLY (18 and later): the parent's own statistics, without those of each partition."""
    return sql.SQL("ANALYZE {}{}").format(sql.SQL("ONLY ") if only else sql.SQL(""), named(table))


def _typed(moment: datetime, key_type: KeyType) -> sql.Composed:
    return sql.SQL("{}::{}").format(sql.Literal(key_type.literal(moment)), sql.SQL(key_type.value))
