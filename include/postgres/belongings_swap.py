"""Handing over what hangs on a table, in the transaction in which another one takes its name.

In order: `locking`, the lock on the table, `leaving`, `put_away`, `put_in_place`, `arriving`; then, without a lock, `afterwards`. All run as
the table's owner; where something belongs to somebody else the statements become that role, and the owner again behind it.
"""

from dataclasses import dataclass

from psycopg import sql

from include.partitioning.names import TableName
from include.postgres import statements
from include.postgres.belongings import Belongings, Sequence, Trigger
from include.postgres.belongings_creation import comment_statements
from include.postgres.belongings_holders import IncomingReference, Publication, Reader

_ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
_NOT_VALID = " NOT VALID"


@dataclass(frozen=True, slots=True)
class Validation:
    """A foreign key of another table that is to be validated.

    :param role: None: as whoever we are, because a role on whom row-level security is forced cannot look at all rows.
    """

    role: str | None
    table: TableName
    constraint: str


def locking(belongings: Belongings) -> list[sql.Composed]:
    """ACCESS EXCLUSIVE on each view, to be taken before the table's own: whoever reads a view locks it first as well.

    LOCK TABLE of a view would lock all that it reads; to give it the owner that it has changes nothing, and locks nothing else.
    """
    return [
        statement
        for each in belongings.readers
        if each.is_view
        for statement in _as(
            belongings,
            each.owner,
            sql.SQL("ALTER VIEW {} OWNER TO {}").format(statements.named(each.name), sql.Identifier(each.owner)),
        )
    ]


def leaving(belongings: Belongings, old: TableName) -> list[sql.Composed]:
    """While the old table still has its name: ACCESS EXCLUSIVE on it, and on tables that refer to it."""
    return [
        *(_owned_by(old, each, sql.SQL("NONE").format()) for each in belongings.sequences if not each.identity),
        *(statement for each in belongings.incoming if not each.to_itself for statement in _drop(belongings, each)),
        *(statement for each in belongings.publications if each.named for statement in _unpublish(belongings, each, old)),
    ]


def put_away(belongings: Belongings, old: TableName, attic: str) -> list[sql.Composed]:
    """The old table, with its indexes and identity sequences, and its extended statistics, go to the schema `attic`."""
    statistics = [statements.set_schema_of_statistics(each.name, attic) for each in belongings.statistics if each.name.schema != attic]
    return [*statistics, statements.set_schema(old, attic)]


def put_in_place(belongings: Belongings, new: TableName, schema: str) -> list[sql.Composed]:
    """The new table goes to `schema`, its extended statistics to where the old one's were."""
    return [
        statements.set_schema(new, schema),
        *(
            statements.set_schema_of_statistics(TableName(new.schema, each.name.name), each.name.schema)
            for each in belongings.statistics
            if each.name.schema != new.schema
        ),
    ]


def arriving(belongings: Belongings, name: TableName, former: TableName) -> list[sql.Composed]:
    """Once the new table has the name: SHARE ROW EXCLUSIVE on tables that refer to it, ACCESS EXCLUSIVE on views.

    :param former: the old table, where it is now. It is locked, and so are its identity sequences, which were moved with it.
    """
    return [
        *(_owned_by(name, each, sql.Identifier(name.schema, name.name, each.column)) for each in belongings.sequences if not each.identity),
        *(_continue(name, former, each) for each in belongings.sequences if each.identity),
        *_restraints(belongings, name),
        *(_state(name, each) for each in belongings.triggers if each.fires in _ENABLE),
        *(statement for each in belongings.incoming for statement in _refer(belongings, each)),
        *(statement for each in belongings.publications if each.named for statement in _publish(belongings, each, name)),
        *(statement for each in belongings.readers for statement in _as(belongings, each.owner, _replace(each))),
    ]


def afterwards(belongings: Belongings) -> list[Validation]:
    """Of foreign keys that were valid: SHARE UPDATE EXCLUSIVE on the table that refers, ROW SHARE on this one."""
    return [
        Validation(None if each.row_security_forced else each.owner, each.table, each.name)
        for each in belongings.incoming
        if each.validated
    ]


def foreign_key_comments(belongings: Belongings, name: TableName) -> list[sql.Composed]:
    """Comments on outgoing foreign keys, for when those are there under their old names."""
    names = {each.name for each in belongings.foreign_keys}
    return comment_statements([each for each in belongings.comments_on("foreign key") if each.name in names], name)


def _as(belongings: Belongings, role: str, *as_role: sql.Composed) -> list[sql.Composed]:
    if role == belongings.owner:
        return list(as_role)
    return [statements.set_local_role(role), *as_role, statements.set_local_role(belongings.owner)]


def _owned_by(table: TableName, sequence: Sequence, column: sql.Composable) -> sql.Composed:
    return sql.SQL("ALTER SEQUENCE {} OWNED BY {}").format(sql.Identifier(table.schema, sequence.name), column)


def _continue(name: TableName, former: TableName, sequence: Sequence) -> sql.Composed:
    """The new identity goes on where the former is. Nobody takes a value of that any more: to move it has locked it."""
    text = sql.Identifier(name.schema, sequence.name).as_string()
    return sql.SQL("SELECT pg_catalog.setval({}::pg_catalog.regclass, last_value, is_called) FROM {}").format(
        sql.Literal(text), sql.Identifier(former.schema, sequence.name)
    )


def _restraints(belongings: Belongings, name: TableName) -> list[sql.Composed]:
    """What the owner has imposed on itself."""
    restraints = []
    if belongings.template.force_row_security:
        restraints.append(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(statements.named(name)))
    if belongings.owner_lacks:
        privileges = sql.SQL(", ").join(sql.SQL(each) for each in belongings.owner_lacks)
        restraints.append(sql.SQL("REVOKE {} ON {} FROM {}").format(privileges, statements.named(name), sql.Identifier(belongings.owner)))
    return restraints


def _state(name: TableName, trigger: Trigger) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(
        statements.named(name), sql.SQL(_ENABLE[trigger.fires]), sql.Identifier(trigger.name)
    )


def _drop(belongings: Belongings, reference: IncomingReference) -> list[sql.Composed]:
    return _as(belongings, reference.owner, statements.drop_constraint(reference.table, reference.name))


def _refer(belongings: Belongings, reference: IncomingReference) -> list[sql.Composed]:
    """NOT VALID: no row is looked at; `afterwards` says which are to be validated. The text names this table, which has its name by now."""
    definition = reference.definition.removesuffix(_NOT_VALID) + (_NOT_VALID if reference.enforced else "")
    made = [statements.add_constraint(reference.table, reference.name, definition)]
    if reference.comment is not None:
        made.append(
            sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
                sql.Identifier(reference.name), statements.named(reference.table), sql.Literal(reference.comment)
            )
        )
    return _as(belongings, reference.owner, *made)


def _unpublish(belongings: Belongings, publication: Publication, old: TableName) -> list[sql.Composed]:
    drop = sql.SQL("ALTER PUBLICATION {} DROP TABLE {}").format(sql.Identifier(publication.name), statements.named(old))
    return _as(belongings, publication.role or belongings.owner, drop)


def _publish(belongings: Belongings, publication: Publication, name: TableName) -> list[sql.Composed]:
    columns = sql.SQL(", ").join(sql.Identifier(each) for each in publication.columns or ())
    add = sql.SQL("ALTER PUBLICATION {} ADD TABLE {}{}{}").format(
        sql.Identifier(publication.name),
        statements.named(name),
        sql.SQL("") if publication.columns is None else sql.SQL(" ({})").format(columns),
        sql.SQL("") if publication.filter is None else sql.SQL(" WHERE ({})").format(statements.server_text(publication.filter)),
    )
    return _as(belongings, publication.role or belongings.owner, add)


def _replace(reader: Reader) -> sql.Composed:
    """A view keeps its OID, its grants and what depends on it, but its options only if they are said again."""
    if not reader.is_view:
        return sql.SQL("{}").format(statements.server_text(reader.definition))
    options = sql.SQL(", ").join(statements.option(each) for each in reader.options)
    return sql.SQL("CREATE OR REPLACE VIEW {}{} AS {}").format(
        statements.named(reader.name),
        sql.SQL(" WITH ({})").format(options) if reader.options else sql.SQL(""),
        statements.server_text(reader.definition),
    )
