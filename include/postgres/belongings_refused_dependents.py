"""What holds on to a table by its OID and is not handed over. A closed world: what is not known is refused, by name."""

from typing import Any

from psycopg import Connection

from include.postgres.belongings import Belongings
from include.postgres.queries import Row, rows

_WHAT_TO_DO = {
    "of extension": "is bound to an extension; ALTER EXTENSION … DROP, or … NO DEPENDS ON EXTENSION, and bind it anew afterwards",
    "row type": "uses its row type, and would keep that of the old table; let it use a type of its own, or drop it and make it anew afterwards",
    "rule": "would go on with the old table; drop it, or use a trigger instead",
    "materialized view": "would go on reading the old table; drop it, and make it anew afterwards",
    "view": "is not made anew, because what it holds on to is no table of that name; drop it, and make it anew afterwards",
    "function": "is not made anew, because what it holds on to is no table of that name; drop it, and make it anew afterwards",
    "policy": "would go on reading the old table; drop it, and make it anew afterwards",
    "publication": "publishes a partition by itself; ALTER PUBLICATION … DROP TABLE, and add it anew afterwards",
    "something else": "would go on with the old table, and it is not known how to hand it over; drop it, and make it anew afterwards",
}


def refused_dependents(connection: Connection[Any], belongings: Belongings, key: str | None) -> list[str]:
    """A sentence for each."""
    found = rows(connection, "belongings_dependents", oid=belongings.oid)
    sentences = [_sentence(belongings, each, key) for each in found]
    return list(dict.fromkeys(each for each in sentences if each is not None))


def _sentence(belongings: Belongings, found: Row, key: str | None) -> str | None:
    """None for what is handed over."""
    what = f"{found['sort']} {found['view']}" if found["view"] and found["sort"] != "rule" else found["what"]
    if not found["known"]:
        return f'"{what}" holds on to "{belongings.name}": it {_WHAT_TO_DO[found["sort"]]}'
    if key is None:
        return None
    if found["of_system_column"]:
        return f'"{what}" shows the {found["holds"]}, which of a partitioned table is that of a partition; drop it, and make it anew afterwards'
    if found["says_only"]:
        return f'"{what}" says ONLY of "{belongings.name}", and would find no row in a partitioned table; make it anew without that'
    if found["constraint"] is not None and any(
        each.name == found["constraint"] and each.is_widened(key, widen=True) for each in belongings.indexes
    ):
        return f'"{what}" relies on "{found["constraint"]}" for its GROUP BY, which will have "{key}" in it; name its columns in GROUP BY'
    return None
