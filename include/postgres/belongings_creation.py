"""The empty table that takes another one's place, with everything that needs neither rows nor the final name. Nobody else sees it yet."""

import re
from collections.abc import Sequence as Several

from psycopg import sql

from include.partitioning.names import TableName
from include.postgres import statements
from include.postgres.belongings import Belongings, Check, Comment, Sequence, Statistics
from include.postgres.dressing import column_statements, privilege_statements, role_or_public
from include.postgres.row_policies import create_row_policy

ACCESS_METHOD_OF_PARTITIONED_SINCE = 170000

_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_ON_ITS_OWN = {"index": "INDEX", "statistics": "STATISTICS", "sequence": "SEQUENCE"}
_ON_THE_TABLE = {"constraint": "CONSTRAINT", "key": "CONSTRAINT", "foreign key": "CONSTRAINT", "trigger": "TRIGGER", "policy": "POLICY"}
_NO_INHERIT = re.compile(r" NO INHERIT((?: NOT VALID| NOT ENFORCED)?)$")


def creation(belongings: Belongings, new: TableName, key: str | None) -> list[sql.Composed]:
    """The table without indexes, triggers and foreign keys, for a transaction of the owner's. ACCESS SHARE on the old one.

    What would keep the owner from filling it comes with `arriving`: FORCE ROW LEVEL SECURITY, and privileges that it has taken from itself.

    :param new: of the same name as the old one, in another schema.
    :param key: it is partitioned by; None: it is an ordinary table.
    """
    return [
        _table(belongings, new, key),
        *column_statements(belongings.template, new),
        *(_inherit(new, each) for each in belongings.own_not_nulls if key is not None),
        *(_add_check(new, each, partitioned=key is not None) for each in belongings.checks),
        *(statement for each in belongings.sequences if each.identity for statement in _identity(new, each)),
        *(statement for each in belongings.statistics for statement in _statistics(new, each)),
        *_row_security(belongings, new),
        *comment_statements(belongings.comments_on("table", "column", "constraint", "statistics", "policy", "sequence"), new),
        *privilege_statements(belongings.template, new),
    ]


def comment_statements(comments: Several[Comment], table: TableName) -> list[sql.Composed]:
    """SHARE UPDATE EXCLUSIVE on what is commented on; indexes, statistics and sequences are in the table's schema."""
    return [_comment(each, table) for each in comments]


def check_definition(check: Check, *, partitioned: bool) -> str:
    """What stands behind the constraint's name. NO INHERIT says nothing of a table without heirs, and a partitioned one refuses it."""
    return _NO_INHERIT.sub(r"\1", check.definition) if partitioned and check.no_inherit else check.definition


def _table(belongings: Belongings, new: TableName, key: str | None) -> sql.Composed:
    """LIKE brings columns in their order, with types, collations, NOT NULL, defaults, generation, storage and compression."""
    unlogged = key is None and not belongings.is_partitioned and belongings.template.unlogged
    parts: list[sql.Composable] = [
        sql.SQL("CREATE UNLOGGED TABLE" if unlogged else "CREATE TABLE"),
        statements.named(new),
        sql.SQL("(LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)").format(
            statements.named(belongings.name)
        ),
    ]
    if key is not None:
        parts += [sql.SQL("PARTITION BY RANGE ({})").format(sql.Identifier(key)), *_place(belongings, partitioned=True)]
    elif not belongings.is_partitioned:
        parts += _place(belongings, partitioned=False)
    return sql.SQL(" ").join(parts)


def _place(belongings: Belongings, *, partitioned: bool) -> list[sql.Composable]:
    """How and where rows are stored; of a partitioned table, what holds for partitions to come."""
    template = belongings.template
    parts: list[sql.Composable] = []
    says_so = belongings.server_version >= ACCESS_METHOD_OF_PARTITIONED_SINCE and template.access_method != "heap"
    if template.access_method and (not partitioned or says_so):
        parts.append(sql.SQL("USING {}").format(sql.Identifier(template.access_method)))
    options = [statements.option(each) for each in template.options]
    options += [statements.option(each, "toast.") for each in template.toast_options]
    if options and not partitioned:
        parts.append(sql.SQL("WITH ({})").format(sql.SQL(", ").join(options)))
    if template.tablespace:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(template.tablespace)))
    return parts


def _add_check(new: TableName, check: Check, *, partitioned: bool) -> sql.Composed:
    return statements.add_constraint(new, check.name, check_definition(check, partitioned=partitioned))


def _inherit(new: TableName, not_null: str) -> sql.Composed:
    """LIKE makes a NOT NULL that is NO INHERIT so even on a partitioned table, whose partitions could then be without it."""
    return sql.SQL("ALTER TABLE {} ALTER CONSTRAINT {} INHERIT").format(statements.named(new), sql.Identifier(not_null))


def _identity(new: TableName, own: Sequence) -> list[sql.Composed]:
    """A sequence of its own, because that of the old table cannot be taken from it; `arriving` sets it to where the old one is."""
    sequence = statements.named(TableName(new.schema, own.name))
    numbers = {
        "START WITH": own.start, "INCREMENT BY": own.increment, "MINVALUE": own.minimum, "MAXVALUE": own.maximum, "CACHE": own.cache,
    }  # fmt: skip
    options = sql.SQL(" ").join(sql.SQL("{} {}").format(sql.SQL(word), sql.Literal(number)) for word, number in numbers.items())
    add = sql.SQL("ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {} AS IDENTITY (SEQUENCE NAME {} {} {})").format(
        statements.named(new),
        sql.Identifier(own.column),
        sql.SQL(_IDENTITY[own.identity]),
        sequence,
        options,
        sql.SQL("CYCLE" if own.cycles else "NO CYCLE"),
    )
    revokes = [
        sql.SQL("REVOKE {} ON SEQUENCE {} FROM {}").format(sql.SQL(privilege), sequence, role_or_public(role))
        for privilege, role in own.surplus
    ]
    grants = [
        sql.SQL("GRANT {} ON SEQUENCE {} TO {}{}").format(
            sql.SQL(privilege), sequence, role_or_public(role), sql.SQL(" WITH GRANT OPTION" if grantable else "")
        )
        for privilege, role, grantable in own.grants
    ]
    return [add, *revokes, *grants]


def _statistics(new: TableName, own: Statistics) -> list[sql.Composed]:
    built = statements.named(TableName(new.schema, own.name.name))
    made = sql.SQL("CREATE STATISTICS {}{} FROM {}").format(built, statements.server_text(own.definition), statements.named(new))
    if own.target is None:
        return [made]
    return [made, sql.SQL("ALTER STATISTICS {} SET STATISTICS {}").format(built, sql.Literal(own.target))]


def _row_security(belongings: Belongings, new: TableName) -> list[sql.Composed]:
    template = belongings.template
    enable = sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(statements.named(new))
    return [*([enable] if template.row_security else []), *(create_row_policy(each, belongings.name, new) for each in template.policies)]


def _comment(comment: Comment, table: TableName) -> sql.Composed:
    if comment.sort == "table":
        return statements.comment_on_table(table, comment.text)
    what: sql.Composable
    if comment.sort == "column":
        what = sql.SQL("COLUMN {}").format(sql.Identifier(table.schema, table.name, comment.name))
    elif comment.sort in _ON_ITS_OWN:
        what = sql.SQL("{} {}").format(sql.SQL(_ON_ITS_OWN[comment.sort]), sql.Identifier(table.schema, comment.name))
    else:
        word = sql.SQL(_ON_THE_TABLE[comment.sort])
        what = sql.SQL("{} {} ON {}").format(word, sql.Identifier(comment.name), statements.named(table))
    return sql.SQL("COMMENT ON {} IS {}").format(what, sql.Literal(comment.text))
