"""What a partition is made of, as the catalog shows it to a person: system views and deparsed definitions, with the table's own name left out.

Written without a look at the code under test, which must not be its own judge.
"""

import re
from typing import Any

from tests.integration.conftest import Lifecycle

PARTS = {
    "table": """
        SELECT relkind, relispartition, relpersistence, relreplident, relrowsecurity, relforcerowsecurity, relowner::regrole::text AS owner,
               (SELECT amname FROM pg_am WHERE pg_am.oid = relam) AS access_method, (SELECT spcname FROM pg_tablespace s WHERE s.oid = reltablespace) AS tablespace,
               reloptions, (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid) AS toast_options
          FROM pg_class c WHERE c.oid = %(oid)s""",
    "privileges": "SELECT unnest(coalesce(relacl, acldefault('r', relowner)))::text AS privilege FROM pg_class WHERE oid = %(oid)s",
    "columns": """
        SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, attidentity, attgenerated, attstorage, attcompression,
               nullif(attstattarget, -1) AS target, attoptions, attcollation::regcollation::text AS collation, attacl::text AS privileges,
               pg_get_expr(adbin, adrelid) AS default, col_description(attrelid, attnum) AS comment
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped""",
    "indexes": """
        SELECT pg_get_indexdef(indexrelid) AS definition, indisvalid, indisready, indisprimary, indisreplident, obj_description(indexrelid, 'pg_class') AS comment,
               EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid) AS attached,
               (SELECT spcname FROM pg_class i JOIN pg_tablespace s ON s.oid = i.reltablespace WHERE i.oid = indexrelid) AS tablespace
          FROM pg_index WHERE indrelid = %(oid)s""",
    "constraints": """
        SELECT contype, pg_get_constraintdef(oid) AS definition, convalidated, condeferrable, condeferred, conislocal, conparentid <> 0 AS of_parent,
               obj_description(oid, 'pg_constraint') AS comment
          FROM pg_constraint WHERE conrelid = %(oid)s AND contype <> 'n' AND conname NOT LIKE '%%\\_bounds'""",
    "triggers": """
        SELECT tgname, pg_get_triggerdef(oid) AS definition, tgenabled, tgparentid <> 0 AS of_parent, obj_description(oid, 'pg_trigger') AS comment
          FROM pg_trigger WHERE tgrelid = %(oid)s AND (NOT tgisinternal OR pg_get_triggerdef(oid) NOT LIKE '%%"RI_FKey%%' AND pg_get_triggerdef(oid) NOT LIKE '%%unique_key_recheck%%')""",
    "policies": """
        SELECT policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
         WHERE (quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass = %(oid)s::regclass""",
    "statistics": """
        SELECT stxkind::text AS kinds, array_to_string(pg_get_statisticsobjdef_expressions(oid), ';') AS expressions,
               (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute WHERE attrelid = stxrelid AND attnum = ANY (stxkeys)) AS columns
          FROM pg_statistic_ext WHERE stxrelid = %(oid)s""",
    "publications": """
        SELECT to_jsonb(p) - 'tablename' AS membership FROM pg_publication_tables p
         WHERE (quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass = %(oid)s::regclass""",
}


def anatomy(lifecycle: Lifecycle, name: str) -> dict[str, list[dict[str, Any]]]:
    """Part by part, rows in an order of their own."""
    oid = lifecycle.value("SELECT %s::regclass::oid::bigint", name)
    plain = lifecycle.value("SELECT relname FROM pg_class WHERE oid = %s", oid)
    with lifecycle.connect(autocommit=True) as connection:
        found: dict[str, list[dict[str, Any]]] = {}
        for part, query in PARTS.items():
            cursor = connection.execute(query.encode(), {"oid": oid})
            titles = [column.name for column in cursor.description or ()]
            rows = [{title: _nameless(value, plain) for title, value in zip(titles, row, strict=True)} for row in cursor]
            found[part] = sorted(rows, key=str)
    return found


def _nameless(value: object, table: str) -> object:
    """An index's name is the server's choice, so what stands before ON goes with the table's."""
    if not isinstance(value, str):
        return value
    text = value.replace(table.replace('"', '""'), "@")
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX) .*? ON ", r"\1 ON ", text)
