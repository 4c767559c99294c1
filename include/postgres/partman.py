"""Reading pg_partman's configuration, and the statements that stop it for a table and start it again. Nothing here runs these."""

from collections import Counter
from typing import Any

from psycopg import Connection, errors, sql
from psycopg.rows import scalar_row

from include.partitioning.cut_table import CutTable
from include.partitioning.errors import CatalogMismatchError
from include.partitioning.give_back import Rename
from include.partitioning.names import TableName
from include.partitioning.partition import Partition, PartitionedTable
from include.partitioning.partman import Installation, Length, PartmanConfig, as_partman_writes, partman_name
from include.postgres import catalog
from include.postgres.failures import translated
from include.postgres.queries import row, rows
from include.postgres.statements import named


def find_installation(connection: Connection[Any]) -> Installation:
    """Where it is.

    :raises CatalogMismatchError: this database has none.
    """
    found = row(connection, "partman_installation")
    if found is None:
        raise CatalogMismatchError(f'pg_partman is not installed in the database "{connection.info.dbname}"; check the connection')
    return Installation(**found)


def read_config(connection: Connection[Any], installation: Installation, table: TableName) -> PartmanConfig:
    """The table's configuration, of whichever version: rows are read as JSON.

    :raises CatalogMismatchError: pg_partman does not manage the table.
    :raises MissingPrivilegeError: the role may not read its configuration.
    """
    with translated(f'read "{installation.schema}.part_config"'):
        found = _selected(connection, installation, "part_config", _ROW, _where("parent_table", table))
        if not found:
            known = ", ".join(_selected(connection, installation, "part_config", sql.Identifier("parent_table"))) or "none"
            raise CatalogMismatchError(f'pg_partman does not manage "{table}" in this database; the tables that it manages are: {known}')
        sub = _selected(connection, installation, "part_config_sub", _ROW, _where("sub_parent", table))
    return PartmanConfig.of_row(
        table,
        found[0],
        length=_length(connection, found[0]["partition_interval"]),
        retention_length=_length(connection, found[0]["retention"]),
        sub_partitioned=bool(sub),
    )


_ROW = sql.SQL("pg_catalog.to_jsonb(c)")
_EVERYWHERE = sql.SQL("")


def _where(column: str, table: TableName) -> sql.Composed:
    return sql.SQL(" WHERE c.{} = {}").format(sql.Identifier(column), sql.Literal(as_partman_writes(table)))


def _selected(
    connection: Connection[Any], installation: Installation, relation: str, what: sql.Composable, where: sql.Composable = _EVERYWHERE
) -> list[Any]:
    """One value for each row of one of its tables, whose schema is known only now."""
    source = named(TableName(installation.schema, relation))
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(sql.SQL("SELECT {} FROM {} c{} ORDER BY 1").format(what, source, where)).fetchall()


def _length(connection: Connection[Any], text: str | None) -> Length | None:
    """None for what is no length of time, such as the number of ids in a partition."""
    if text is None:
        return None
    try:
        found = row(connection, "interval_parts", text=text)
    except errors.DataError:
        return None
    return Length(**found) if found else None


def session_timezone(connection: Connection[Any]) -> str:
    """The zone in which a session of this role and database reads a date, if it sets none itself."""
    found = row(connection, "session_timezone") or {}
    return str(found.get("zone"))


def maintenance_finding(connection: Connection[Any], table: PartitionedTable) -> list[str]:
    """One sentence if pg_partman maintains the table too, or if that cannot be seen; one query, and none where it is not installed."""
    if table.partman_schema is None:
        return []
    installation = Installation(table.partman_schema, None)
    try:
        found = _selected(
            connection, installation, "part_config", sql.Identifier("automatic_maintenance"), _where("parent_table", table.name)
        )
    except errors.InsufficientPrivilege:
        return [
            f'pg_partman is in the schema "{table.partman_schema}", and whether it maintains "{table.name}" too cannot be seen: '
            + _may_read(connection, installation)
        ]
    if "on" not in found:
        return []
    return [
        f'pg_partman maintains "{table.name}" too, so its own retention acts without an archive, and it can fail at names of ours: '
        f"{stop_statement(installation, table.name).as_string(connection)}"
    ]


def _may_read(connection: Connection[Any], installation: Installation) -> str:
    """What lets our role read the configuration."""
    schema, config = sql.Identifier(installation.schema), named(TableName(installation.schema, "part_config"))
    role = sql.Identifier(connection.info.user)
    statement = sql.SQL("GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {} TO {role}").format(schema, config, role=role)
    return statement.as_string(connection)


def stop_statement(installation: Installation, table: TableName) -> sql.Composed:
    """A `run_maintenance` that is given no table leaves this one out from then on. ROW EXCLUSIVE on its configuration."""
    return _automatic(installation, table, "off")


def start_statement(installation: Installation, table: TableName) -> sql.Composed:
    """The opposite of `stop_statement`."""
    return _automatic(installation, table, "on")


def _automatic(installation: Installation, table: TableName, value: str) -> sql.Composed:
    return sql.SQL("UPDATE {} SET automatic_maintenance = {} WHERE parent_table = {}").format(
        named(TableName(installation.schema, "part_config")), sql.Literal(value), sql.Literal(as_partman_writes(table))
    )


def run_statement(installation: Installation, table: TableName) -> sql.Composed:
    """One maintenance of this table by pg_partman."""
    return sql.SQL("SELECT {}({})").format(named(TableName(installation.schema, "run_maintenance")), sql.Literal(as_partman_writes(table)))


def rename_statement(rename: Rename) -> sql.Composed:
    """ACCESS EXCLUSIVE on the partition for a moment (manual, ALTER TABLE); whoever waits for it has others queue behind."""
    return sql.SQL("ALTER TABLE {} RENAME TO {}").format(named(rename.partition), sql.Identifier(rename.name))


def owner_statement(partition: TableName, owner: str) -> sql.Composed:
    """ACCESS EXCLUSIVE on the partition for a moment (manual, ALTER TABLE)."""
    return sql.SQL("ALTER TABLE {} OWNER TO {}").format(named(partition), sql.Identifier(owner))


def renames(connection: Connection[Any], config: PartmanConfig, cut: CutTable) -> list[Rename]:
    """Partitions that have other names than pg_partman gives, oldest first, each with the name that it would have given."""
    wanted = _names(connection, config, cut)
    changing = {partition: name for partition, name in wanted.items() if partition.name.name != name}
    taken = catalog.names_taken(connection, config.table.schema, list(changing.values()))
    counts = Counter(wanted.values())
    twice = {name: "the name of another partition of the same period too" for name in changing.values() if counts[name] > 1}
    return [Rename(partition.name, name, {**taken, **twice}.get(name)) for partition, name in changing.items()]


def _names(connection: Connection[Any], config: PartmanConfig, cut: CutTable) -> dict[Partition, str]:
    """By partition, what pg_partman calls one that begins where it does."""
    moments = [each.bounds.lower for each in cut.bounded if each.bounds is not None]
    zone = cut.calendar.timezone
    found = rows(connection, "partman_endings", zone=zone, format=config.name_format, moments=moments)
    return {partition: partman_name(config.table.name, each["ending"]) for partition, each in zip(cut.bounded, found, strict=True)}
