"""The functions and triggers that keep the new tables like DEFAULT while clients go on writing to it.

A change is an image of a row that is gone and one that has come. Images are compared byte for byte, so that a row is found whether or
not it has a primary key, and of several equal ones any is as good as another. While rows are being copied, changes are only noted, in
the order in which they happened to each row; afterwards each is made in the transaction of the client, or noted where that cannot be
done: by a REPEATABLE READ transaction that does not see the copy. No client's statement fails on account of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from include.partitioning.column import Column
from include.partitioning.names import TableName
from include.postgres.statements import named
from include.postgres.template import Template

KEEP, REFUSE_TRUNCATE = "00_partition_lifecycle_keep", "00_partition_lifecycle_refuse_truncate"
"""Names of the triggers. Of a table's triggers those with lower names go first."""

ROWS, CHANGES = "00_rows", "00_changes"
"""Tables of the scratch schema; a partition is hardly ever called so."""


IN_SYNC = "every committed change is in here"
"""Comment of the scratch table from the moment on when it holds the rows of DEFAULT at every snapshot."""


@dataclass(frozen=True, slots=True)
class Images:
    """How a row is written down and found again.

    :param schema: where the noted changes and the functions are, and the table whose rows images are.
    :param copies: the table that is kept like the original.
    :param columns: all of the table; generated ones are left to the server.
    :param lookup: columns by which a row is found quickly; the partition key is one of them.
    :param nullable: the partition key, if it can be NULL.
    """

    schema: str
    copies: TableName
    columns: tuple[Column, ...]
    lookup: tuple[str, ...]
    nullable: str | None

    def thing(self, name: str) -> sql.Identifier:
        """A table or function of the scratch schema."""
        return sql.Identifier(self.schema, name)

    @property
    def stored(self) -> sql.Composed:
        """Columns that are copied, separated by commas."""
        return _listed(self._stored())

    def of(self, record: str) -> sql.Composed:
        """The image of the trigger's OLD or NEW."""
        values = [sql.SQL("NULL") if each.generated else sql.Identifier(record, each.name) for each in self.columns]
        return sql.SQL("ROW({})::{}").format(sql.SQL(", ").join(values), self.thing(ROWS))

    def values(self, record: str) -> sql.Composed:
        """The copied columns of a record."""
        return _listed(self._stored(), record)

    def _stored(self) -> list[str]:
        return [each.name for each in self.columns if not each.generated]


def functions(images: Images) -> list[sql.Composed]:
    """All of them; the trigger's function only notes changes as yet."""
    return [_remove(images), _add(images), _replay(images), note_changes(images), _refuse_truncate(images)]


def triggers(images: Images, table: TableName) -> list[sql.Composed]:
    """SHARE ROW EXCLUSIVE on the table: writers wait, readers do not. ALWAYS: they fire for a subscription's worker too."""
    keep = sql.SQL("CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION {}()").format(
        sql.Identifier(KEEP), named(table), images.thing("keep")
    )
    return [keep, _always(KEEP, table), *refusing_truncate(images, table)]


def refusing_truncate(images: Images, table: TableName) -> list[sql.Composed]:
    """Only the trigger against TRUNCATE, which partitions do not have from their parent."""
    refuse = sql.SQL("CREATE TRIGGER {} BEFORE TRUNCATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION {}()").format(
        sql.Identifier(REFUSE_TRUNCATE), named(table), images.thing("refuse_truncate")
    )
    return [refuse, _always(REFUSE_TRUNCATE, table)]


def without_ours(template: Template) -> Template:
    """What a table has for itself, but for these triggers."""
    own = tuple(each for each in template.own_objects if each.name not in (KEEP, REFUSE_TRUNCATE))
    return replace(template, own_objects=own)


def drop_triggers(default: TableName) -> list[sql.Composed]:
    """ACCESS EXCLUSIVE on the table."""
    return [sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(each), named(default)) for each in (KEEP, REFUSE_TRUNCATE)]


def note_changes(images: Images) -> sql.Composed:
    """What the trigger does until the copy is complete."""
    body = sql.SQL("""
BEGIN
  IF TG_OP <> 'INSERT' THEN INSERT INTO {changes} (gone, image) VALUES (true, {old}); END IF;
  IF TG_OP <> 'DELETE' THEN INSERT INTO {changes} (gone, image) VALUES (false, {new}); END IF;
  RETURN NULL;
END""").format(changes=images.thing(CHANGES), old=images.of("old"), new=images.of("new"))
    return _trigger_function(images, "keep", body)


def follow_changes(images: Images) -> sql.Composed:
    """What the trigger does from then on."""
    body = sql.SQL("""
DECLARE noted boolean := false;
BEGIN
  IF TG_OP <> 'INSERT' AND NOT {remove}({old}) THEN
    INSERT INTO {changes} (gone, image) VALUES (true, {old});
    noted := true;
  END IF;
  IF TG_OP <> 'DELETE' AND (noted OR NOT {add}({new})) THEN
    INSERT INTO {changes} (gone, image) VALUES (false, {new});
  END IF;
  RETURN NULL;
END""").format(
        changes=images.thing(CHANGES), remove=images.thing("remove"), add=images.thing("add"), old=images.of("old"), new=images.of("new")
    )
    return _trigger_function(images, "keep", body)


def _remove(images: Images) -> sql.Composed:
    """One copy with the same image; false if none can be seen."""
    removal = _removal(images, sql.SQL(" AND ").join(_same(each) for each in images.lookup))
    if images.nullable is not None:
        of_null = _removal(images, sql.SQL("{} IS NULL").format(sql.Identifier("r", images.nullable)))
        removal = sql.SQL("IF {} IS NULL THEN {} ELSE {} END IF;").format(sql.Identifier("gone", images.nullable), of_null, removal)
    body = sql.SQL("""
#variable_conflict use_variable
DECLARE found_in oid; found_at tid;
BEGIN
  {removal}
  RETURN found_at IS NOT NULL;
END""").format(removal=removal)
    return _function(images, "remove", sql.SQL("(gone {}) RETURNS boolean").format(images.thing(ROWS)), body)


def _removal(images: Images, condition: sql.Composed) -> sql.Composed:
    """The condition is asked by the DELETE again, because by it all other partitions are left out."""
    return sql.SQL(
        "SELECT r.tableoid, r.ctid INTO found_in, found_at FROM {rows} r WHERE {condition}"
        " AND pg_catalog.record_image_eq(ROW({copy}), ROW({image})) LIMIT 1 FOR UPDATE SKIP LOCKED;"
        " IF found_at IS NOT NULL THEN DELETE FROM {rows} r WHERE {condition} AND r.tableoid = found_in AND r.ctid = found_at; END IF;"
    ).format(rows=named(images.copies), condition=condition, copy=images.values("r"), image=images.values("gone"))


def _add(images: Images) -> sql.Composed:
    """False if a row with its key is there."""
    body = sql.SQL("""
BEGIN
  INSERT INTO {rows} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values}) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END""").format(rows=named(images.copies), columns=images.stored, values=images.values("come"))
    return _function(images, "add", sql.SQL("(come {}) RETURNS boolean").format(images.thing(ROWS)), body)


def _replay(images: Images) -> sql.Composed:
    """Make changes that were noted: of the oldest, what they amount to for each image; those that are gone first.

    Exactly the changes that are seen are taken: one with a lower number may be committed later.
    """
    body = sql.SQL("""
DECLARE change record;
BEGIN
  entries := 0;
  FOR change IN
    WITH taken AS (
      DELETE FROM {changes} c WHERE c.number IN (SELECT n.number FROM {changes} n ORDER BY n.number LIMIT most) RETURNING c.gone, c.image
    )
    SELECT (pg_catalog.array_agg(t.image))[1] AS image, pg_catalog.count(*) AS noted, pg_catalog.sum(CASE WHEN t.gone THEN -1 ELSE 1 END) AS more
      FROM taken t
     GROUP BY pg_catalog.textin(pg_catalog.record_out(t.image))
     ORDER BY 3
  LOOP
    entries := entries + change.noted;
    FOR each IN 1 .. pg_catalog.abs(change.more) LOOP
      IF change.more < 0 THEN PERFORM {remove}(change.image); ELSE PERFORM {add}(change.image); END IF;
    END LOOP;
  END LOOP;
END""").format(changes=images.thing(CHANGES), remove=images.thing("remove"), add=images.thing("add"))
    return _function(images, "replay", sql.SQL("(most bigint, OUT entries bigint)"), body)


def _refuse_truncate(images: Images) -> sql.Composed:
    body = sql.SQL("""
BEGIN
  RAISE EXCEPTION 'the rows of %.% are being moved to partitions of their own; truncate it when that is done', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'object_in_use';
END""").format()
    return _trigger_function(images, "refuse_truncate", body)


def _trigger_function(images: Images, name: str, body: sql.Composed) -> sql.Composed:
    """It runs as the owner, because whoever writes to the parent has no rights on the scratch tables."""
    return _function(images, name, sql.SQL("() RETURNS trigger SECURITY DEFINER"), body)


def _function(images: Images, name: str, signature: sql.Composed | sql.SQL, body: sql.Composed) -> sql.Composed:
    """The body goes as a literal: however hostile a name in it, it cannot end the quotes."""
    return sql.SQL("CREATE OR REPLACE FUNCTION {}{} LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS {}").format(
        images.thing(name), signature, sql.Literal(body.as_string())
    )


def _always(trigger: str, table: TableName) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}").format(named(table), sql.Identifier(trigger))


def _same(column: str) -> sql.Composed:
    return sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(sql.Identifier("r", column), sql.Identifier("gone", column))


def _listed(columns: Sequence[str], record: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*([record] if record else []), each) for each in columns)
