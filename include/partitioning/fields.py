"""The kinds of values that a policy's keys have: how each is read, and what is refused."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import pendulum
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, PlainSerializer, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from include.partitioning.errors import BadArgumentError
from include.partitioning.names import TableName
from include.partitioning.schedule import PRESETS, is_schedule
from include.partitioning.span import CalendarSpan, format_duration, parse_duration

DEFAULT_POOL = "default_pool"
"""The pool that Airflow has by itself."""


def refusal(message: str, key: str = "") -> PydanticCustomError:
    """What a validator raises. `key` names the key where pydantic cannot know it, in a check of the whole policy."""
    return PydanticCustomError("policy", "{message}", {"message": message, "key": key})


def _as_text(value: object, *kinds: type) -> str:
    """The value as a person would write it; a value built in Python goes through the same checks as text."""
    if not isinstance(value, (str, *kinds)):
        raise refusal(f"must be text, not {value!r}")
    return str(value)


def _table_name(value: object) -> object:
    try:
        return TableName.parse(_as_text(value, TableName))
    except BadArgumentError as error:
        raise refusal(str(error)) from error


def _known_name(value: object) -> object:
    text = _as_text(value, TableName)
    return _table_name(text if "." in text or '"' in text else f'pg_catalog."{text}"')


def _calendar_span(value: object) -> object:
    try:
        return CalendarSpan.parse(_as_text(value, CalendarSpan))
    except ValueError as error:
        raise refusal(str(error)) from error


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(_as_text(value))
    except (ValueError, OverflowError) as error:
        raise refusal(str(error)) from error


def within(shortest: timedelta, longest: timedelta, why: str) -> AfterValidator:
    """A check of a length of time, both ends inclusive."""

    def check(value: timedelta) -> timedelta:
        if not shortest <= value <= longest:
            raise refusal(f"must lie between {format_duration(shortest)} and {format_duration(longest)}: {why}")
        return value

    return AfterValidator(check)


def _timezone(value: object) -> object:
    if isinstance(value, str):
        try:
            pendulum.timezone(value)
        except (ValueError, OSError) as error:
            raise refusal(f'"{value}" is not a time zone of the IANA database') from error
    return value


def _schedule(value: object) -> object:
    if isinstance(value, str) and not is_schedule(value):
        raise refusal(f'"{value}" is neither a cron expression of five fields nor one of {", ".join(PRESETS)}')
    return value


def _archive_path(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = urlsplit(value)
    if not url.scheme:
        raise refusal(f'"{value}" does not say which storage it is in; begin it with s3://, gs://, abfs:// or file:///')
    if url.scheme != "file" and not url.netloc:
        raise refusal(f'"{value}" names no bucket; write it as {url.scheme}://bucket/prefix')
    if url.scheme == "file" and (url.netloc or not url.path.strip("/")):
        raise refusal(f'"{value}" is not an absolute path; a local folder has three slashes, as in file:///srv/archive')
    return value


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return _BYTES.validate_python(_as_text(value))
    except ValidationError as error:
        raise refusal(f'"{value}" is not a size; write it as 10 GiB or 500 MB') from error


def parse_size(text: str) -> int:
    """Read a size such as `500 GiB`, in bytes.

    :raises ValueError: it is none.
    """
    return int(_BYTES.validate_python(text))


_BYTES = TypeAdapter(ByteSize)
_TEXT = WithJsonSchema({"type": "string"})
_AS_TEXT = PlainSerializer(str, return_type=str)
_AS_SIZE = PlainSerializer(lambda value: ByteSize(value).human_readable(separator=" "), return_type=str)
_AS_DURATION = PlainSerializer(format_duration, return_type=str)

TableField = Annotated[TableName, BeforeValidator(_table_name), _AS_TEXT, _TEXT]
KnownNameField = Annotated[TableName, BeforeValidator(_known_name), _AS_TEXT, _TEXT]
SpanField = Annotated[CalendarSpan, BeforeValidator(_calendar_span), _AS_TEXT, _TEXT]
PoolField = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,250}$")]
TimezoneField = Annotated[str, BeforeValidator(_timezone)]
ScheduleField = Annotated[str, BeforeValidator(_schedule)]
ArchivePathField = Annotated[str, BeforeValidator(_archive_path)]
SizeField = Annotated[ByteSize, BeforeValidator(_size), _AS_SIZE, _TEXT]
DurationField = Annotated[timedelta, BeforeValidator(_duration), _AS_DURATION, _TEXT]
LockTimeoutField = Annotated[DurationField, within(timedelta(milliseconds=1), timedelta(seconds=10), "everybody else waits behind it")]
WaitTimeoutField = Annotated[
    DurationField, within(timedelta(seconds=1), timedelta(days=1), "it is how long a step may wait for old transactions")
]
ArchiveDurationField = Annotated[
    DurationField, within(timedelta(seconds=1), timedelta(days=7), "vacuum cannot clean up behind the snapshot for so long")
]
DeadlineField = Annotated[DurationField, within(timedelta(minutes=1), timedelta(days=30), "it is how long a whole run may take")]
