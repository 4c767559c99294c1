"""The reference date: the moment as of which a run acts. It is always an argument, never a clock."""

from datetime import UTC, datetime

from include.partitioning.calendar import instant_of
from include.partitioning.errors import BadArgumentError

EARLIEST_YEAR, LATEST_YEAR = 1900, 2999


def parse_reference_date(text: str, timezone: str, name: str = "reference_date") -> datetime:
    """Read an ISO date or timestamp; without an offset it is wall-clock time in `timezone`, a date its midnight, read as PostgreSQL does.

    :param name: of the argument, for messages.
    :raises BadArgumentError: not ISO, not a real date, an unrendered template, or outside the years 1900 to 2999.
    """
    stripped = str(text).strip()
    try:
        parsed = datetime.fromisoformat(stripped)
    except ValueError as error:
        raise BadArgumentError(f'{name} "{text}" is not an ISO date or timestamp, such as 2026-11-01') from error
    if not EARLIEST_YEAR <= parsed.year <= LATEST_YEAR:
        raise BadArgumentError(f'{name} "{text}" lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR}')
    return parsed.astimezone(UTC) if parsed.tzinfo else instant_of(parsed, timezone)


def parse_flag(name: str, value: object) -> bool:
    """Read a boolean argument strictly: a template renders it as the text `True` or `False`, and `'False'` is not true.

    :raises BadArgumentError: anything else.
    """
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    raise BadArgumentError(f'{name} "{value}" is neither true nor false')
