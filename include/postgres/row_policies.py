"""Row-level security policies of a partition: reading them, and writing them for another one."""

import re
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName
from include.postgres.queries import rows
from include.postgres.statements import named, server_text

_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}

_QUALIFIER = re.compile(r"""(?P<text>'(?:[^']|'')*')|(?P<before>\.?)(?P<name>"(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$]*)(?=(?P<after>\.?))""")
"""A string, or a name with the dots around it, in an expression as the server prints it."""


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """A policy of row-level security (manual, CREATE POLICY).

    :param command: as `pg_policy.polcmd` has it.
    :param roles: None among them is PUBLIC.
    :param visible: the expression of USING, as the server printed it.
    :param writable: that of WITH CHECK.
    """

    name: str
    permissive: bool
    command: str
    roles: tuple[str | None, ...]
    visible: str | None
    writable: str | None


def read_row_policies(connection: Connection[Any], oid: int) -> tuple[RowPolicy, ...]:
    """The policies of the table with this OID."""
    found = rows(connection, "template_policies", oid=oid)
    return tuple(
        RowPolicy(each["name"], each["permissive"], each["command"], tuple(each["roles"]), each["visible"], each["writable"])
        for each in found
    )


def create_row_policy(policy: RowPolicy, sibling: TableName, name: TableName) -> sql.Composed:
    """The sibling's policy for the table `name`: ACCESS EXCLUSIVE on that, which nobody else sees yet."""
    roles = [sql.Identifier(role) if role is not None else sql.SQL("PUBLIC") for role in policy.roles]
    parts: list[sql.Composable] = [
        sql.SQL("CREATE POLICY {} ON {}").format(sql.Identifier(policy.name), named(name)),
        sql.SQL("AS PERMISSIVE" if policy.permissive else "AS RESTRICTIVE"),
        sql.SQL("FOR {} TO {}").format(sql.SQL(_COMMANDS[policy.command]), sql.SQL(", ").join(roles)),
    ]
    for word, expression in (("USING", policy.visible), ("WITH CHECK", policy.writable)):
        if expression is not None:
            parts.append(sql.SQL("{} ({})").format(sql.SQL(word), server_text(of_other_table(expression, sibling, name))))
    return sql.SQL(" ").join(parts)


def of_other_table(expression: str, sibling: TableName, name: TableName) -> str:
    """The expression with `sibling.column` as `name.column`.

    The server puts the table's name before its columns where there is a subquery. No other table is meant by it there: it gives every
    other one in the expression another alias.
    """
    ours, theirs = (f'"{each.name.replace(chr(34), chr(34) * 2)}"' for each in (sibling, name))

    def renamed(match: re.Match[str]) -> str:
        is_qualifier = match["text"] is None and not match["before"] and match["after"]
        return theirs if is_qualifier and match["name"] in (sibling.name, ours) else match[0]

    return _QUALIFIER.sub(renamed, expression)
