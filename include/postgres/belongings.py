"""What hangs on a table and must hang on the one that takes its place: the values. `belongings_read` reads them.

The new table is built in a schema of its own under the same name. That is why definitions of the old one can be used for it where the
server prints the table's name without its schema, as it does for whole rows in a CHECK.
"""

from dataclasses import dataclass, replace

from include.partitioning.names import TableName
from include.postgres.belongings_holders import IncomingReference, PartitionsOwn, Publication, Reader
from include.postgres.foreign_keys import ForeignKey
from include.postgres.template import Surplus, Template


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence of a column, always in the table's schema.

    :param identity: `a` for GENERATED ALWAYS AS IDENTITY, `d` for BY DEFAULT; empty for one that is merely OWNED BY the column.
    :param grants: privilege, role (None: PUBLIC), with grant option.
    :param surplus: privilege and role that default privileges would give a new one.
    """

    name: str
    column: str
    identity: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycles: bool
    grants: tuple[tuple[str, str | None, bool], ...]
    surplus: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint; NOT VALID and NOT ENFORCED are part of the definition, NO INHERIT is too.

    :param has_whole_row: whether it says something of the row as a whole.
    """

    name: str
    definition: str
    no_inherit: bool
    has_whole_row: bool


@dataclass(frozen=True, slots=True)
class Index:
    """An index, or a constraint that has one; both have the same name.

    :param constraint: `p` primary key, `u` unique, `x` exclusion; None for an index alone.
    :param columns: of the key; None stands for an expression.
    :param operators: of an exclusion constraint, one for each column.
    :param definition: what the server prints behind the table's name.
    :param constraint_definition: what it prints behind the constraint's.
    :param targets: numbers of columns, from 1, and their targets of ANALYZE.
    """

    name: str
    constraint: str | None
    is_unique: bool
    is_valid: bool
    is_clustered: bool
    is_replica_identity: bool
    is_partial: bool
    is_temporal: bool
    nulls_not_distinct: bool
    deferrable: bool
    deferred: bool
    columns: tuple[str | None, ...]
    included: tuple[str, ...]
    operators: tuple[str, ...]
    definition: str
    has_whole_row: bool
    constraint_definition: str | None
    options: tuple[str, ...]
    tablespace: str | None
    targets: tuple[tuple[int, int], ...]

    @property
    def excludes(self) -> bool:
        """Whether it compares by operators of its own: EXCLUDE, or WITHOUT OVERLAPS."""
        return self.constraint == "x" or self.is_temporal

    def is_widened(self, key: str | None, *, widen: bool) -> bool:
        """Whether the partition key is appended to it: always to a primary key, to other unique ones if that is wanted."""
        lacks = key is not None and self.is_unique and not self.excludes and key not in self.columns
        return lacks and (widen or self.constraint == "p")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger; its definition is `before`, then ON and the table's name, then `after`.

    :param fires: as `pg_trigger.tgenabled` has it.
    """

    name: str
    before: str
    after: str
    fires: str
    has_transition_tables_by_row: bool


@dataclass(frozen=True, slots=True)
class Statistics:
    """An extended statistics object, which has a schema of its own. The definition stands between its name and FROM."""

    name: TableName
    definition: str
    target: int | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on something of the table.

    :param sort: `table`, `column`, `constraint` (CHECK and NOT NULL), `key` (primary, unique, exclusion), `foreign key`, `index`, `trigger`,
        `policy`, `statistics` or `sequence` (of an identity).
    """

    sort: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Belongings:
    """All of it, as it is at one moment.

    :param template: storage, row-level security and privileges; a new partition of an adopted table can be made by it as by a sibling's.
    :param owner_lacks: privileges that the owner has taken from itself.
    :param own_not_nulls: NOT NULL constraints that are NO INHERIT (18 and later).
    :param foreign_keys: those to other tables.
    :param given_by_default: privileges that default privileges give a new table.
    """

    oid: int
    name: TableName
    is_partitioned: bool
    owner: str
    server_version: int
    columns: tuple[str, ...]
    template: Template
    owner_lacks: tuple[str, ...]
    given_by_default: tuple[Surplus, ...]
    sequences: tuple[Sequence, ...]
    own_not_nulls: tuple[str, ...]
    checks: tuple[Check, ...]
    indexes: tuple[Index, ...]
    statistics: tuple[Statistics, ...]
    triggers: tuple[Trigger, ...]
    comments: tuple[Comment, ...]
    foreign_keys: tuple[ForeignKey, ...]
    incoming: tuple[IncomingReference, ...]
    readers: tuple[Reader, ...]
    publications: tuple[Publication, ...]
    of_partitions: tuple[PartitionsOwn, ...]

    def comments_on(self, *sorts: str) -> tuple[Comment, ...]:
        """Those on things of these sorts."""
        return tuple(each for each in self.comments if each.sort in sorts)

    @property
    def others_locked(self) -> tuple[int, ...]:
        """OIDs of other relations that `leaving` and `arriving` take ACCESS EXCLUSIVE on: views, and tables that refer to this one."""
        views = [each.oid for each in self.readers if each.is_view]
        return (*views, *(each.oid for each in self.incoming if not each.to_itself))

    @property
    def valid_indexes(self) -> tuple[Index, ...]:
        """Those that are taken along: one that is not valid serves nobody."""
        return tuple(each for each in self.indexes if each.is_valid)


def outgoing_foreign_keys(belongings: Belongings) -> tuple[ForeignKey, ...]:
    """Foreign keys to other tables. One to the table itself is made when it has its name, by `arriving`."""
    return belongings.foreign_keys


def for_partitions(belongings: Belongings, parent: int | None = None) -> Template:
    """How partitions of an adopted table are stored, with what cannot be said of a partitioned table.

    Nobody but the owner reads them directly: they have neither privileges nor policies, and must not be given any by default, because
    then the row-level security of the table would hide nothing.

    :param parent: OID of the new table, whose indexes a partition's correspond to, also where they were widened; None: of the old one.
    """
    return replace(
        belongings.template,
        model=belongings.oid if parent is None else parent,
        row_security=False,
        force_row_security=False,
        surplus=belongings.given_by_default,
        grants=(),
        policies=(),
    )
