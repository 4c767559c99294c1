"""Names of indexes as PostgreSQL chooses them where a statement gives none."""

from collections.abc import Sequence

from include.partitioning.names import MAX_IDENTIFIER_BYTES


def own_name(table: str, columns: Sequence[str], number: int = 0) -> str:
    """`<table>_<columns>_idx`, the longer of both halves cut until it fits, at a character's boundary (makeObjectName of the server).

    :param columns: as the catalog names the columns of the index, those that are only included as well.
    :param number: which of the names: where the first is taken, the server counts from 1.
    """
    label = f"_idx{number or ''}"
    stem, keys = table.encode(), "_".join(columns).encode()
    room = MAX_IDENTIFIER_BYTES - len(label) - 1
    of_stem, of_keys = len(stem), len(keys)
    while of_stem + of_keys > room:
        if of_stem > of_keys:
            of_stem -= 1
        else:
            of_keys -= 1
    return f"{stem[:of_stem].decode(errors='ignore')}_{keys[:of_keys].decode(errors='ignore')}{label}"
