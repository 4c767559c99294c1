"""Primary key, other constraints with an index, indexes, and triggers, onto a table that nobody else sees yet. All under their old names."""

import re

from psycopg import sql

from include.partitioning.names import TableName
from include.postgres import statements
from include.postgres.belongings import Belongings, Index, Trigger
from include.postgres.belongings_creation import comment_statements

_REPLICA_IDENTITY = {"f": "FULL", "n": "NOTHING"}
_QUOTED_OR_PARENTHESIS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]""")


def keys_and_indexes(belongings: Belongings, new: TableName, key: str | None, *, widen: bool) -> list[sql.Composed]:
    """For an ordinary table once its rows are in, for a partitioned one while it is empty. ACCESS EXCLUSIVE or SHARE on the new table alone.

    :param key: it is partitioned by: appended to the primary key, unless that has it; None: it is an ordinary table.
    :param widen: append it to other unique constraints and indexes too.
    """
    return [
        *(statement for each in belongings.valid_indexes for statement in _with_settings(each, new, key, widen=widen)),
        *comment_statements(belongings.comments_on("key", "index"), new),
        *_replica_identity(belongings, new),
    ]


def triggers(belongings: Belongings, new: TableName) -> list[sql.Composed]:
    """All of them, disabled, so that nothing happens twice while the table is filled. A partition's come with ATTACH, disabled as well.

    `arriving` gives them the state that they had.
    """
    made = [statement for each in belongings.triggers for statement in _disabled(each, new)]
    return [*made, *comment_statements(belongings.comments_on("trigger"), new)]


def _disabled(trigger: Trigger, new: TableName) -> list[sql.Composed]:
    before, after = statements.server_text(trigger.before), statements.server_text(trigger.after)
    return [
        sql.SQL("{} ON {} {}").format(before, statements.named(new), after),
        sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(statements.named(new), sql.Identifier(trigger.name)),
    ]


def _with_settings(index: Index, new: TableName, key: str | None, *, widen: bool) -> list[sql.Composed]:
    name = statements.named(TableName(new.schema, index.name))
    more = key if index.is_widened(key, widen=widen) else None
    made = [_index(index, new, more) if index.constraint is None else _constraint(index, new, more)]
    if index.tablespace:
        made.append(sql.SQL("ALTER INDEX {} SET TABLESPACE {}").format(name, sql.Identifier(index.tablespace)))
    for number, target in index.targets:
        made.append(sql.SQL("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}").format(name, sql.Literal(number), sql.Literal(target)))
    if index.is_clustered and key is None:
        made.append(sql.SQL("ALTER TABLE {} CLUSTER ON {}").format(statements.named(new), sql.Identifier(index.name)))
    return made


def _constraint(index: Index, new: TableName, more: str | None) -> sql.Composed:
    """A primary key or unique constraint from its parts: what the server prints of one lacks its storage parameters."""
    if index.excludes:
        return statements.add_constraint(new, index.name, index.constraint_definition or "")
    listed = [each for each in index.columns if each is not None] + ([more] if more else [])
    included = [each for each in index.included if each != more]
    parts: list[sql.Composable] = [
        sql.SQL("PRIMARY KEY" if index.constraint == "p" else "UNIQUE"),
        *([sql.SQL("NULLS NOT DISTINCT")] if index.nulls_not_distinct else []),
        sql.SQL("({})").format(_names(listed)),
        *([sql.SQL("INCLUDE ({})").format(_names(included))] if included else []),
        *([sql.SQL("WITH ({})").format(sql.SQL(", ").join(statements.option(each) for each in index.options))] if index.options else []),
        *([sql.SQL("DEFERRABLE")] if index.deferrable else []),
        *([sql.SQL("INITIALLY DEFERRED")] if index.deferred else []),
    ]
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
        statements.named(new), sql.Identifier(index.name), sql.SQL(" ").join(parts)
    )


def _index(index: Index, new: TableName, more: str | None) -> sql.Composed:
    unique = sql.SQL("UNIQUE ") if index.is_unique else sql.SQL("")
    definition: sql.Composable = statements.server_text(index.definition)
    if more is not None:
        end = _end_of_columns(index.definition)
        before, after = statements.server_text(index.definition[:end]), statements.server_text(index.definition[end:])
        definition = sql.SQL("{}, {}{}").format(before, sql.Identifier(more), after)
    return sql.SQL("CREATE {}INDEX {} ON {}{}").format(unique, sql.Identifier(index.name), statements.named(new), definition)


def _end_of_columns(definition: str) -> int:
    """Where the parenthesis that encloses the columns of the key is closed; those within strings and names do not count."""
    depth = 0
    for each in _QUOTED_OR_PARENTHESIS.finditer(definition):
        depth += {"(": 1, ")": -1}.get(each[0], 0)
        if each[0] == ")" and depth == 0:
            return each.start()
    raise AssertionError("unreachable: the server closes what it opens")


def _replica_identity(belongings: Belongings, new: TableName) -> list[sql.Composed]:
    kind = belongings.template.replica_identity
    if kind in _REPLICA_IDENTITY:
        return [sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(statements.named(new), sql.SQL(_REPLICA_IDENTITY[kind]))]
    return [
        sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(statements.named(new), sql.Identifier(each.name))
        for each in belongings.valid_indexes
        if each.is_replica_identity
    ]


def _names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(each) for each in columns)
