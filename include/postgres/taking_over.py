"""What pg_partman and the catalog say of one table, and what the first run of a policy would do with it."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.partitioning.bounds import KeyType
from include.partitioning.cut_table import Around, CutTable
from include.partitioning.errors import CatalogMismatchError, MissingPrivilegeError, PolicyError, WaitTooLongError
from include.partitioning.expiry import Horizon
from include.partitioning.interval import Interval
from include.partitioning.missing import possible_names
from include.partitioning.names import TableName
from include.partitioning.partition import Kind, Partition, PartitionedTable
from include.partitioning.partman import Installation, PartmanConfig
from include.partitioning.plan import Plan, make_plan
from include.partitioning.policy import PartitionPolicy
from include.partitioning.take_over import cut_of, obstacles, obstacles_of_kind
from include.postgres import catalog
from include.postgres.default_rows import has_rows_of_some_time
from include.postgres.failures import translated
from include.postgres.parity import differences
from include.postgres.partman import find_installation, read_config, session_timezone
from include.postgres.queries import row, rows
from include.postgres.strays import former_partitions


@dataclass(frozen=True, slots=True)
class Managed:
    """A table that pg_partman manages.

    :param table: None where the catalog has no such table, or one of a sort that this package does not know.
    :param cut: the table with what it is cut by; None where that is not known.
    :param obstacles: why it cannot be taken over, a sentence each.
    """

    installation: Installation
    config: PartmanConfig
    table: PartitionedTable | None
    cut: CutTable | None
    obstacles: tuple[str, ...]
    around: Around


def look_at_table(connection: Connection[Any], name: TableName, zone: str | None = None) -> Managed:
    """Read all of it.

    :param zone: the only one to be tried; otherwise UTC and what is set for the role or the database.
    :raises CatalogMismatchError: there is no pg_partman, or it does not manage the table.
    """
    installation = find_installation(connection)
    config = read_config(connection, installation, name)
    try:
        # The catalog must agree with what pg_partman says; the longest interval goes with every type of key.
        asked = PartitionPolicy(table=name, partition_key=config.control, interval=config.our_interval or Interval.YEAR)
        table = catalog.read_table(connection, asked)
    except CatalogMismatchError as error:
        return Managed(installation, config, None, None, (*obstacles_of_kind(config), str(error)), Around())
    cut = cut_of(config, table, _zones(connection, table, zone))
    relation = catalog.relation(connection, table.oid)
    against = obstacles(config, table, cut, is_partition=relation is not None and relation.attached)
    return Managed(installation, config, table, cut, tuple(against), _around(connection, config, table))


def _around(connection: Connection[Any], config: PartmanConfig, table: PartitionedTable) -> Around:
    template = _template(connection, config)
    others = rows(connection, "partitions_of_others", parent=table.oid)
    return Around(
        template_missing=config.template is not None and template is None,
        template_ahead=_ahead(connection, table, template) if template else (),
        kept=tuple(former_partitions(connection, table)),
        default_has_rows=_default_has_rows(connection, table),
        of_others=tuple((TableName(each["schema"], each["name"]), each["owner"]) for each in others),
    )


def _default_has_rows(connection: Connection[Any], table: PartitionedTable) -> bool | None:
    """None where the role may not look, or it takes too long."""
    if table.default is None:
        return False
    try:
        with translated(f'look for rows in "{table.default.name}"'):
            return has_rows_of_some_time(connection, table, table.default.name)
    except (MissingPrivilegeError, WaitTooLongError):
        return None


def _template(connection: Connection[Any], config: PartmanConfig) -> Partition | None:
    """The template table, in the form in which tables are compared."""
    if config.template is None:
        return None
    found = row(connection, "oids_of", schema=config.template.schema, names=[config.template.name])
    return Partition(config.template, found["oid"], None) if found else None


def _ahead(connection: Connection[Any], table: PartitionedTable, template: Partition) -> tuple[str, ...]:
    """Of the sorts of things that pg_partman copies from it."""
    siblings = [each for each in table.partitions if each.kind is Kind.TABLE and each.bounds is not None and not each.detach_pending]
    found = differences(connection, table, [template], siblings[-1]) if siblings else {}
    return tuple(" ".join(filter(None, each.trait)) for each in found if each.expected is None and each.trait[0] in _COPIED)


_COPIED = ("index", "constraint", "storage parameter")
"""What a partition has from the template table, as comparing them calls it."""


def _zones(connection: Connection[Any], table: PartitionedTable, wanted: str | None) -> list[str]:
    """Only a timestamptz has midnights that depend on a zone."""
    if wanted is not None or table.key_type is not KeyType.TIMESTAMPTZ:
        return [wanted or "UTC"]
    tried = dict.fromkeys(["UTC", session_timezone(connection)])
    return [each for each in tried if _is_zone(each)]


def _is_zone(text: str) -> bool:
    """PostgreSQL has zones that IANA's database has not, such as <+02>-02."""
    try:
        PartitionPolicy(table="any.table", partition_key="any", timezone=text)
    except PolicyError:
        return False
    return True


def first_run(connection: Connection[Any], policy: PartitionPolicy, table: PartitionedTable) -> Plan:
    """What a run of the policy would do now; the ledger may not be there yet, so holds and earlier runs do not count."""
    now = catalog.database_now(connection)
    names = possible_names(policy, table, (), Horizon.of(policy, table.key_type, now, now))
    taken = catalog.names_taken(connection, table.name.schema, names)
    return make_plan(policy, table, (), taken, reference=now, database_now=now)
