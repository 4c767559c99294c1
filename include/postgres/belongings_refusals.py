"""Why another table cannot take a table's place: everything that would be lost, or would silently go on with the old one. Reads only."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.postgres.belongings import Belongings
from include.postgres.belongings_read import becoming, read_belongings
from include.postgres.belongings_refused_dependents import refused_dependents
from include.postgres.belongings_refused_keys import refused_keys
from include.postgres.belongings_refused_references import refused_references
from include.postgres.queries import Row, row
from include.postgres.statements import named


def refusals(connection: Connection[Any], oid: int, key: str | None, *, widen: bool, managed: bool = False) -> list[str]:
    """A sentence for each obstacle, with what to do; empty if there is none.

    :param key: the new table is partitioned by; None: it is an ordinary one.
    :param widen: unique constraints and indexes other than the primary key may have the key appended, see `keys_and_indexes`.
    :param managed: whether the policy's `subscriber_partitions` says that subscribers have each new partition in time.
    """
    found = row(connection, "belongings_standing", oid=oid, become=becoming(connection))
    if found is None:
        return [f"there is no relation with the OID {oid}"]
    name = TableName(found["schema"], found["name"])
    unfit = list(_unfit(name, found))
    if unfit:
        return unfit
    belongings = read_belongings(connection, oid)
    return [
        *_standing(name, found),
        *([] if found["sees_all_rows"] else _hidden_rows(belongings, found["us"])),
        *refused_keys(connection, belongings, key, widen=widen),
        *_owner(belongings),
        *_triggers(belongings, key),
        *_whole_rows(belongings, key),
        *_statistics(belongings),
        *refused_references(connection, belongings, key, widen=widen, managed=managed),
        *refused_dependents(connection, belongings, key),
    ]


def _unfit(name: TableName, found: Row) -> Iterator[str]:
    """What no table that can be reshaped is."""
    if found["kind"] == "f":
        yield f'"{name}" is a foreign table; its rows are somewhere else, reshape it there'
    elif found["kind"] not in ("r", "p"):
        yield f'"{name}" is neither an ordinary nor a partitioned table; name one that is'
    if found["temporary"]:
        yield f'"{name}" is a temporary table, which no other session sees; make an ordinary one of it first'
    if found["of_system"]:
        yield f'"{name}" belongs to the system catalog; leave it as it is'
    if found["is_partition"]:
        yield f'"{name}" is itself a partition; detach it first, or reshape the table that it is a partition of'
    if found["inherits"]:
        yield f'"{name}" inherits from another table; end that first: ALTER TABLE … NO INHERIT'
    if found["is_inherited"]:
        yield f'other tables inherit from "{name}"; end that first: ALTER TABLE … NO INHERIT'
    if found["typed"]:
        yield f'"{name}" is a typed table; end that first: {_alter(name)} NOT OF'


def _standing(name: TableName, found: Row) -> Iterator[str]:
    owner = found["owner"]
    if not found["may"]:
        yield f'"{name}" belongs to "{owner}", which we cannot become; GRANT that role to us'
    if not found["may_create"]:
        yield f'"{owner}", the owner of "{name}", may not create anything in its schema; GRANT CREATE ON SCHEMA to it'
    if found["subscribes"]:
        yield f'"{name}" is filled by a subscription, which would not know the new table; take it out of the publication there first'
    for rule in found["rules"]:
        yield f'"{name}" has the rule "{rule}", which is not taken along; drop it, and use a trigger instead'
    for provider in found["label_providers"]:
        yield f'"{name}" has a security label of "{provider}", which is not taken along; remove it, and set it anew afterwards'
    for constraint in found["unproven_not_nulls"]:
        validate = f"{_alter(name)} VALIDATE CONSTRAINT {_quoted(constraint)}"
        yield f'the NOT NULL constraint "{constraint}" of "{name}" is not valid; validate it first: {validate}'
    for policy in found["policies_reading_it"]:
        yield (
            f'the policy "{policy}" of "{name}" reads the table itself in a subquery, and would go on reading the old one; '
            "drop it, and make it anew afterwards"
        )


def _hidden_rows(belongings: Belongings, us: str) -> Iterator[str]:
    """Neither copying rows nor validating a foreign key is possible for an owner on whom row-level security is forced."""
    referring = dict.fromkeys(each.table for each in belongings.incoming if each.row_security_forced and each.validated)
    for table in [belongings.name] if belongings.template.force_row_security else referring:
        yield f'row-level security is forced on "{table}", so not even its owner sees all rows; ALTER ROLE {_quoted(us)} BYPASSRLS'


def _owner(belongings: Belongings) -> Iterator[str]:
    if "SELECT" in belongings.owner_lacks:
        grant = f"GRANT SELECT ON {named(belongings.name).as_string()} TO {_quoted(belongings.owner)}"
        yield f'"{belongings.owner}", the owner of "{belongings.name}", may not read it; {grant}'


def _triggers(belongings: Belongings, key: str | None) -> Iterator[str]:
    for each in belongings.triggers:
        if key is not None and each.has_transition_tables_by_row:
            yield (
                f'the trigger "{each.name}" of "{belongings.name}" is FOR EACH ROW and has transition tables, which a partitioned table '
                "cannot have; make it FOR EACH STATEMENT, or drop it"
            )


def _whole_rows(belongings: Belongings, key: str | None) -> Iterator[str]:
    """LIKE, by which partitions are made, copies no expression with a whole row in it."""
    if key is None:
        return
    checks = [("CHECK constraint", each.name) for each in belongings.checks if each.has_whole_row]
    indexes = [("index", each.name) for each in belongings.valid_indexes if each.has_whole_row]
    for sort, name in (*checks, *indexes):
        what = f'the {sort} "{name}" of "{belongings.name}"'
        yield f"{what} is about the row as a whole, which no new partition could have; name the columns, or drop it"


def _statistics(belongings: Belongings) -> Iterator[str]:
    names = [each.name.name for each in belongings.statistics]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield f'"{belongings.name}" has statistics objects called "{name}" in two schemas; rename one: ALTER STATISTICS … RENAME TO …'


def _alter(name: TableName) -> str:
    return f"ALTER TABLE {named(name).as_string()}"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
