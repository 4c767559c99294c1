"""What makes a new table like its siblings, beyond what it has from the parent. All of it touches the new table alone."""

from typing import Any

from psycopg import Connection, sql

from include.partitioning.names import TableName, fitted
from include.postgres import statements
from include.postgres.executor import Executor
from include.postgres.queries import row
from include.postgres.row_policies import create_row_policy
from include.postgres.template import ColumnSetting, Grant, OwnObject, Surplus, Template

_OWN_OBJECT_SUFFIX = {"index": "idx", "constraint": "key", "statistics": "stat"}
_FIRES = {"A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}


def dressing_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """Objects, privileges, row-level security and replica identity."""
    return [*trigger_statements(template, name), *quiet_dressing_statements(template, name)]


def trigger_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """The triggers, and when they fire."""
    return [
        *(_own_object(each, name, template) for each in template.own_objects if each.sort == "trigger"),
        *(_trigger_state(each, name) for each in template.own_objects if each.fires in _FIRES),
    ]


def quiet_dressing_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """All but the triggers, which would fire while the table is being filled."""
    return [
        *(_own_object(each, name, template) for each in template.own_objects if each.sort != "trigger"),
        *privilege_statements(template, name),
        *_row_security(template, name),
        *_replica_identity(template, name),
    ]


def privilege_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """What default privileges gave too much, and what others than the owner may."""
    return [*(_revoke(each, name) for each in template.surplus), *(_grant(each, name) for each in template.grants)]


def column_statements(template: Template, name: TableName) -> list[sql.Composed]:
    """Storage, compression, targets of ANALYZE and options of columns, in one statement; for a table that has no row yet."""
    actions = [action for each in template.columns for action in _column_actions(each)]
    if not actions:
        return []
    return [sql.SQL("ALTER TABLE {} {}").format(statements.named(name), sql.SQL(", ").join(actions))]


def use_identity_index(executor: Executor, template: Template, name: TableName, oid: int) -> None:
    """Which index it is shows only once LIKE or ATTACH has named them; the table is locked by us alone until the commit."""
    for statement in identity_index_statements(executor.connection, template, name, oid):
        executor.run(statement)


def identity_index_statements(connection: Connection[Any], template: Template, name: TableName, oid: int) -> list[sql.Composed]:
    """A model whose index is gone has none to follow: a partition that is not there would be worse, and the parity report says so."""
    index = _identity_index(connection, oid, template.model) if template.replica_identity == "i" else None
    if index is None:
        return []
    return [sql.SQL("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}").format(statements.named(name), sql.Identifier(index))]


def _identity_index(connection: Connection[Any], partition: int, model: int) -> str | None:
    """The name of the partition's index that corresponds to the model's REPLICA IDENTITY USING INDEX."""
    found = row(connection, "identity_index", oid=partition, model=model)
    return None if found is None else str(found["name"])


def _column_actions(setting: ColumnSetting) -> list[sql.Composed]:
    alter = sql.SQL("ALTER COLUMN {} SET ").format(sql.Identifier(setting.name))
    actions = []
    if setting.storage:
        actions.append(alter + sql.SQL("STORAGE {}").format(sql.SQL(setting.storage)))
    if setting.compression:
        actions.append(alter + sql.SQL("COMPRESSION {}").format(sql.SQL(setting.compression)))
    if setting.statistics is not None:
        actions.append(alter + sql.SQL("STATISTICS {}").format(sql.Literal(setting.statistics)))
    if setting.options:
        actions.append(alter + sql.SQL("({})").format(sql.SQL(", ").join(statements.option(each) for each in setting.options)))
    return actions


def _own_object(own: OwnObject, name: TableName, template: Template) -> sql.Composed:
    after = statements.server_text(own.after)
    if own.sort == "trigger":
        return sql.SQL("{} ON {} {}").format(statements.server_text(own.before), statements.named(name), after)
    own_name = _own_name(own, name, template)
    if own.sort == "constraint":
        return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(statements.named(name), sql.Identifier(own_name), after)
    if own.sort == "statistics":
        return sql.SQL("CREATE STATISTICS {}{} FROM {}").format(sql.Identifier(name.schema, own_name), after, statements.named(name))
    unique = sql.SQL("UNIQUE ") if own.is_unique else sql.SQL("")
    return sql.SQL("CREATE {}INDEX {} ON {}{}").format(unique, sql.Identifier(own_name), statements.named(name), after)


def _own_name(own: OwnObject, name: TableName, template: Template) -> str:
    """`sessions_p202510_tags_idx` becomes `sessions_p202511_tags_idx`; a name without the sibling's in it is put behind the new one."""
    sibling = template.sibling.name.name if template.sibling else ""
    if sibling and own.name.startswith(sibling):
        return fitted(name.name, own.name.removeprefix(sibling)[:40])
    return fitted(name.name, f"_{own.name[:24]}_{_OWN_OBJECT_SUFFIX[own.sort]}")


def _trigger_state(own: OwnObject, name: TableName) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(statements.named(name), sql.SQL(_FIRES[own.fires]), sql.Identifier(own.name))


def _revoke(surplus: Surplus, name: TableName) -> sql.Composed:
    return sql.SQL("REVOKE {} ON {} FROM {}").format(sql.SQL(surplus.privilege), statements.named(name), role_or_public(surplus.grantee))


def _grant(grant: Grant, name: TableName) -> sql.Composed:
    return sql.SQL("GRANT {}{} ON {} TO {}{}").format(
        sql.SQL(grant.privilege),
        sql.SQL(" ({})").format(sql.Identifier(grant.column)) if grant.column else sql.SQL(""),
        statements.named(name),
        role_or_public(grant.grantee),
        sql.SQL(" WITH GRANT OPTION") if grant.grantable else sql.SQL(""),
    )


def role_or_public(name: str | None) -> sql.Composable:
    """None is PUBLIC."""
    return sql.SQL("PUBLIC") if name is None else sql.Identifier(name)


def _row_security(template: Template, name: TableName) -> list[sql.Composed]:
    """The flags and the policies: who may read a sibling directly may read the new partition directly, and nobody else."""
    wanted = ((template.row_security, sql.SQL("ENABLE")), (template.force_row_security, sql.SQL("FORCE")))
    flags = [sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(statements.named(name), word) for flag, word in wanted if flag]
    if template.sibling is None:
        return flags
    sibling = template.sibling.name
    return [*flags, *(create_row_policy(each, sibling, name) for each in template.policies)]


def _replica_identity(template: Template, name: TableName) -> list[sql.Composed]:
    words = {"f": sql.SQL("FULL"), "n": sql.SQL("NOTHING")}
    if template.replica_identity not in words:
        return []
    return [sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(statements.named(name), words[template.replica_identity])]
