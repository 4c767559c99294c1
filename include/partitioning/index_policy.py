"""Indexes that every partition of a table shall have, as a policy says them.

Names are identifiers, never SQL. What is SQL (`expression`, `where`) is the author's own: the server parses it on an empty copy of the table,
as one statement, and what is built on the table is what the server printed of that.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from include.partitioning.fields import KnownNameField, refusal
from include.partitioning.frozen import Frozen
from include.partitioning.names import MAX_IDENTIFIER_BYTES


def _identifier(value: str) -> str:
    if "\x00" in value or not 0 < len(value.encode()) <= MAX_IDENTIFIER_BYTES:
        raise refusal(f"must have 1 to {MAX_IDENTIFIER_BYTES} bytes, which is what PostgreSQL keeps of a name")
    return value


def _option(value: object) -> object:
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, (str, int, float)):
        raise refusal(f"must be text, a number or a boolean, not {value!r}")
    return str(value)


def _some(value: tuple["IndexColumn", ...]) -> tuple["IndexColumn", ...]:
    if not value:
        raise refusal("must name at least one column")
    return value


IdentifierField = Annotated[str, AfterValidator(_identifier)]
SqlField = Annotated[str, Field(pattern=r"\S")]
OptionsField = dict[IdentifierField, Annotated[str, BeforeValidator(_option, json_schema_input_type=str | int | float | bool)]]


class IndexColumn(Frozen):
    """One key of an index: a column, or an expression. The name of a column alone is another way to write `{column: name}`."""

    column: IdentifierField | None = Field(None, description="The column's name as stored, without quotes.", examples=["created_at"])
    expression: SqlField | None = Field(
        None, description="SQL instead of a column. What is not in pg_catalog is named with its schema.", examples=["lower(email)"]
    )
    order: Literal["asc", "desc"] = Field("asc", description="asc or desc.", examples=["desc"])
    nulls: Literal["first", "last"] | None = Field(None, description="first or last. Omitted: last, with desc first.", examples=["last"])
    collation: KnownNameField | None = Field(None, description="Collation, with its schema if not in pg_catalog.", examples=["C"])
    opclass: KnownNameField | None = Field(
        None, description="Operator class, with its schema if not in pg_catalog.", examples=["public.gin_trgm_ops"]
    )
    opclass_parameters: OptionsField = Field({}, description="Parameters of the operator class.", examples=[{"siglen": 32}])

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.column is None) == (self.expression is None):
            raise refusal("has either `column` or `expression`")
        if self.opclass_parameters and self.opclass is None:
            raise refusal("has parameters of an operator class, so it must name that: opclass")
        return self


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


IndexColumnField = Annotated[IndexColumn, BeforeValidator(_column, json_schema_input_type=str | IndexColumn)]


class IndexPolicy(Frozen):
    """An index of the table: built on each partition CONCURRENTLY, then attached. To take one out of the policy drops nothing."""

    columns: Annotated[tuple[IndexColumnField, ...], AfterValidator(_some)] = Field(
        description="Keys, in order: names of columns, or mappings.", examples=[["user_id", "created_at"]]
    )
    name: IdentifierField | None = Field(
        None, description="In the table's schema. Omitted: as PostgreSQL would name it.", examples=["sessions_user_id_created_at_idx"]
    )
    unique: bool = Field(False, strict=True, description="The partition key must be among the columns then.", examples=[True])
    nulls_not_distinct: bool = Field(False, strict=True, description="Of a unique index (PostgreSQL 15 and later).", examples=[True])
    method: IdentifierField = Field("btree", description="btree, hash, gin, gist, spgist, brin, or of an extension.", examples=["gin"])
    include: tuple[IdentifierField, ...] = Field((), description="Columns that are only stored.", examples=[["note"]])
    where: SqlField | None = Field(None, description="SQL: rows that are in the index; all if omitted.", examples=["deleted_at IS NULL"])
    storage: OptionsField = Field({}, description="Storage parameters (WITH).", examples=[{"fillfactor": 90}])
    tablespace: IdentifierField | None = Field(None, description="Omitted: the database's own.", examples=["fast"])

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.nulls_not_distinct and not self.unique:
            raise refusal("is about unique indexes; add unique: true, or remove it", "nulls_not_distinct")
        return self

    def __str__(self) -> str:
        """For messages: its name, or its columns."""
        columns = ", ".join(each.column or f"({each.expression})" for each in self.columns)
        return self.name or f"on ({columns})"


def why_not(indexes: Iterable[IndexPolicy], partition_key: str) -> str | None:
    """What is wrong with indexes of a table with this key, or None."""
    names: set[str] = set()
    for each in indexes:
        if each.name in names:
            return f'has the name "{each.name}" twice; give each index its own'
        names |= {each.name} if each.name else set()
        if each.unique and partition_key not in {column.column for column in each.columns}:
            return (
                f'"{each}" cannot be unique: an index is unique within each partition only, so PostgreSQL wants the partition key, '
                f'"{partition_key}", among the columns; add it, or remove unique'
            )
    return None
