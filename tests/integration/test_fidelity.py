"""Fidelity: what every type can hold comes back from the archive as it was, by the server's own words and as values of Python."""

import contextlib
import json
import logging
import math
import os
import random
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowFailException
from psycopg import sql
from upath import UPath

from demo.local_airflow import PROJECT
from include.archive.manifest import Manifest
from include.archive.rendering import CSV, TEXT
from include.archive.schema import companions_of, schema_of
from include.archive.shelf import read_stored
from include.archive.stored_rows import stored_text
from include.partitioning.names import TableName
from include.postgres.export import copy_as_text, copy_statement
from include.postgres.session import prepare
from include.postgres.statements import named
from tests.integration.conftest import Lifecycle

OLD, NEWEST = "app.t_p202408", "app.t_p202611"
PROOFS = ("standard", "full", "restore")


def build(lifecycle: Lifecycle, columns: str) -> None:
    """A table `app.t` with these columns and the key `at`, and one expired partition."""
    lifecycle.sql(f"CREATE TABLE app.t ({columns}, at timestamptz NOT NULL DEFAULT '2024-08-02 00:00+00') PARTITION BY RANGE (at)")
    lifecycle.sql(f"CREATE TABLE {OLD} PARTITION OF app.t FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    lifecycle.sql(f"CREATE TABLE {NEWEST} PARTITION OF app.t FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00')")


def fill(lifecycle: Lifecycle, values: Mapping[str, Sequence[str | None]], table: str = OLD) -> None:
    """Write these texts, column by column, as input of their types; shorter columns end in NULLs, and all have one."""
    longest = max(len(each) for each in values.values()) + 1
    names = sql.SQL(", ").join(sql.Identifier(name) for name in values)
    places = sql.SQL(", ").join(sql.Placeholder() for _ in values)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(named(TableName.parse(table)), names, places)
    rows = [[each[number] if number < len(each) else None for each in values.values()] for number in range(longest)]
    with lifecycle.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def archived_and_equal(
    lifecycle: Lifecycle, proofs: Sequence[str] = PROOFS[-1:], table: str = "app.t", partition: str = OLD, key: str = "at", **archive: Any
) -> Path:
    """Archive under each proof in turn, by default the one that includes the others, and compare each with the table; the last's folder."""
    folder = Path()
    for proof in proofs:
        place = {"path": f"file://{lifecycle.archive}", "proof": proof, **archive}
        said = lifecycle.archive_partition(partition, policy=lifecycle.policy(table=table, partition_key=key, archive=place))
        assert f"read back and compared ({proof})" in said
        folder = Path(said.rpartition("file://")[2])
        compare(lifecycle, folder, TableName.parse(partition))
    return folder


def compare(lifecycle: Lifecycle, folder: Path, partition: TableName) -> None:
    """The files of an archive with the rows that the table has now: as COPY writes them, and value by value."""
    manifest: Manifest = read_stored(UPath(folder)).manifest
    with psycopg.connect(lifecycle.uri) as connection:
        prepare(connection, "test")
        for form, statement in ((TEXT, copy_as_text(partition, manifest.columns)), (CSV, copy_statement(partition, manifest.columns))):
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                assert b"".join(bytes(each) for each in stored_text(UPath(folder), manifest, form)) == b"".join(copy)
        table = pa.concat_tables(pq.read_table(folder / each.name, partitioning=None) for each in manifest.files)
        assert table.schema.equals(schema_of(manifest.columns))
        companions = companions_of(manifest.columns)
        for column in manifest.columns:
            stored = table.column(column.name).to_pylist()
            beside = table.column(companions[column.name]).to_pylist() if column.has_companion else [None] * len(stored)
            spoken = sql.SQL(
                "SELECT CASE pg_catalog.num_nulls({0}) WHEN 1 THEN NULL ELSE pg_catalog.format('%s', {0}) END, {1} FROM ONLY {2}"
            ).format(
                sql.Identifier(column.name),
                sql.Identifier(column.name) if column.base_type in ("float4", "float8") else sql.NULL,
                named(partition),
            )
            with connection.cursor(binary=True) as cursor:
                expected = cursor.execute(spoken).fetchall()
            assert len(stored) == len(expected)
            for value, other, (text, number) in zip(stored, beside, expected, strict=True):
                assert is_value(value, other, text, number, column.base_type, column.decimal is not None), (column, value, other, text)


def is_value(value: Any, other: str | None, text: str | None, number: float | None, base_type: str, decimal: bool) -> bool:  # noqa: PLR0911, PLR0917 - a case for each kind of type
    """Whether the stored value, and what stands beside it, are what the server's output function says."""
    if text is None:
        return value is None and other is None
    if decimal:
        return (value is None and other == text) if text == "NaN" else (other is None and value == Decimal(text) and f"{value:f}" == text)
    match base_type:
        case "bool":
            return isinstance(value, bool) and value is (text == "t")
        case "int2" | "int4" | "int8":
            return isinstance(value, int) and value == int(text)
        case "float4" | "float8":
            assert number is not None
            layout = ">f" if base_type == "float4" else ">d"
            return math.isnan(value) if math.isnan(number) else struct.pack(layout, value) == struct.pack(layout, number)
        case "bytea":
            return bool(value == bytes.fromhex(text.removeprefix("\\x")))
        case "date" | "timestamp" | "timestamptz":
            if "infinity" in text or "BC" in text or text.index("-") > 4:
                return value is None and other == text
            wanted = date.fromisoformat(text) if base_type == "date" else datetime.fromisoformat(text)
            return other is None and value == wanted and type(value) is type(wanted)
    return isinstance(value, str) and value == text


HOSTILE = [
    "", " ", "  both sides  ", "\x01", "\x01\x01", "\x01,\x01\n\x01", "a\x01b", "\\", "\\\\", "\\N", "\\.", "\\n", "NULL", "null", "NaN", '"', '""', "'", ",", "\t",
    "\n", "\r", "\r\n", "\n\n", "x\n", "\b\f\v", "\x1b\x7f", "\ufeff", "\ufeffhead", "tail\ufeff", "ä", "a\u0308", "\U0001f600", "\u2028\u0085\u00a0", "\U0010ffff", "\ufffe\uffff",
    "True", "1e5", "{}", "x" * 9000, *(chr(code) for code in range(1, 32)),
]  # fmt: skip
MOMENTS = [
    "infinity", "-infinity", "0001-01-01 00:00:00", "0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "0001-12-31 23:59:59.999999 BC",
    "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "2024-02-29 12:00:00.1", "2000-01-01 00:00:00.10",
    "1582-10-10 00:00:00", "0099-03-04 05:06:07", "2024-08-02 10:20:30", "2024-08-02 10:20:00.000100",
]  # fmt: skip
DAYS = [
    "infinity", "-infinity", "0001-01-01", "9999-12-31", "10000-01-01", "0001-12-31 BC", "4713-01-01 BC", "5874897-12-31", "1970-01-01", "1969-12-31", "2024-02-29", "0987-06-05",
]  # fmt: skip
DIGITS = "123456789012345678901234567890.123456789012345678901234567890"
FAMILIES: dict[str, dict[str, list[str]]] = {
    "numbers": {
        "smallint": ["-32768", "32767", "0", "-1"],
        "integer": ["-2147483648", "2147483647", "0"],
        "bigint": ["-9223372036854775808", "9223372036854775807", "9223372036854775807", "9223372036854775807", "0"],
        "numeric": ["NaN", "Infinity", "-Infinity", DIGITS, f"-{DIGITS}", "1e-60", "0", "0.00", "-0.10", "1e1000", "1e-1000", "100"],
        "numeric(5,-2)": ["12300", "-9999900", "49", "0", "NaN"],
        "numeric(3,5)": ["0.00999", "-0.00001", "0", "NaN"],
        "numeric(38,10)": ["0.0000000001", "-0.0000000001", "0", "NaN", "0.000001", "0.0000009999", *["9999999999999999999999999999.9999999999"] * 3, "-9999999999999999999999999999.9999999998"],
        "numeric(38,0)": ["9" * 38, f"-{'9' * 38}", "12345678901234567890123456789012345671", "0", "NaN"],
        "numeric(38,38)": ["0." + "9" * 38, "-0." + "0" * 37 + "1", "0", "NaN"],
        "numeric(39,2)": ["9" * 37 + ".99", "NaN"],
        "numeric(50,2)": ["9" * 48 + ".99", "-0.01", "NaN"],
        "numeric(8,2)": ["NaN", "999999.99", "-999999.99", "0.5", "-0.00"],
        "numeric(20,7)": ["0.0000001", "-0.0000012", "1234567890123.0000001", "0.1"],
        "numeric(1,1)": ["0.9", "-0.9", "0"],
        "boolean": ["true", "false"],
        "money": ["-92233720368547758.08", "92233720368547758.07", "0.01"],
        "bit(5)": ["10101", "00000"],
        "varbit": ["", "1", "0" * 100],
    },
    "text": {
        "text": HOSTILE, "varchar": HOSTILE, "varchar(9000)": HOSTILE, "char(40)": [each for each in HOSTILE if len(each) <= 40], "char(1)": ["", " ", "\x01", ",", "ä"],
        "name": [each for each in HOSTILE if len(each) <= 20], '"char"': ["a", "", "\x01", ",", "\\", "\\377", "\\200", "\n", '"'],
        "bytea": ["", "\\x", "\\x00", "\\x" + bytes(range(256)).hex(), "\\x5c78", "\\xffff" * 1, "\\x01", "\\x0a"],
        "json": ['{"a" : 1,  "a":2}', "null", '"\\u0000"', '[1,\n\t2]', '"\\u0001\\\\"', " 1e400 ", '"\x7f\ufeff"', "{}"],
        "jsonb": ['{"b":[1,null,1e-30],"a":{"\\u0001":"\\n"}}', "null", '"\\\\N"', "123456789012345678901234567890.10", '""'],
        "jsonpath": ['$.a[*] ? (@.b > 1 && @ like_regex "^a\\n")', "$", "strict $.\"x\\u0001\""],
        "text[]": ['{}', '{NULL,"NULL",""," ",a}', '{{a,b},{c,NULL}}', "[-3:-2]={x,y}", "[0:0][2:3]={{1,2}}", '{"\x01","\\\\","\\"",",","\n","{"}'],
    },
    "times": {
        "date": DAYS, "timestamp": MOMENTS, "timestamptz": [f"{each.removesuffix(' BC')}+00{' BC' * each.endswith('BC')}" if each[0].isdigit() else each for each in MOMENTS],
        "timestamp(0)": [each for each in MOMENTS if "294276" not in each], "timestamptz(3)": ["2024-08-02 10:20:30.1239+00", "infinity"],
        "time": ["24:00", "00:00", "23:59:59.999999", "12:00:00.5"], "timetz": ["24:00:00-15:59", "00:00+15:59", "12:00:00.000001+05:45:01"],
        "interval": ["1 year 2 mons -3 days +04:05:06.789", "-178000000 years", "infinity", "-infinity", "0", "-00:00:00.000001", "1 mon -1 day", "2562047788:00:54.775807"],
        "interval year to month": ["3 years 2 mons"], "interval second(2)": ["1.239"],
        "timestamptz[]": ['{infinity,-infinity,NULL,"0044-03-15 12:00+00 BC"}', "{}"],
        "date[]": ["{infinity,5874897-12-31}", "[5:5]={2024-01-01}"],
    },
    "networks": {
        "inet": ["10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::/32", "::ffff:1.2.3.4"], "cidr": ["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"],
        "macaddr": ["08:00:2b:01:02:03"], "macaddr8": ["08:00:2b:01:02:03:04:05"], "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        "point": ["(1.5,-2)", "(NaN,Infinity)", "(1e23,-0)"], "line": ["{1,2,3}"], "lseg": ["[(0,0),(1e300,1)]"], "box": ["(1,1),(0,0)"], "path": ["[(0,0),(1,1)]", "((0,0),(1,1))"],
        "polygon": ["((0,0),(1,1),(1,0))"], "circle": ["<(0,0),1.1>"], "tsvector": ["", "a:1A,2B 'it''s':3 '\\\\':4"], "tsquery": ["", "'a' & !'b c':*A <2> d"],
        "pg_lsn": ["0/0", "FFFFFFFF/FFFFFFFF"], "xid8": ["18446744073709551615"], "xid": ["4294967295"], "cid": ["1"], "tid": ["(4294967295,65535)"],
        "txid_snapshot": ["10:20:10,14,15"], "pg_snapshot": ["10:20:"], "oid": ["0", "4294967295"], "regclass": ["app.events", "-", "99999", "pg_class"], "regtype": ["timestamptz", "app.events"],
        "regproc": ["pg_catalog.now"], "regprocedure": ["lower(text)"], "regoper": ["pg_catalog.||/"], "regoperator": ["+(integer,integer)"], "regrole": ["postgres"],
        "regnamespace": ["app"], "regconfig": ["simple"], "regdictionary": ["simple"], "regcollation": ['"C"'], "refcursor": ["a b"], "aclitem": ["postgres=r/postgres"],
        "oidvector": ["1 2 3"], "int2vector": ["1 2"],
    },
    "ranges": {
        "int4range": ["empty", "(,)", "[1,5)", "(,3]"], "int8range": ["[-9223372036854775808,9223372036854775807)"], "numrange": ["[1.10,NaN]", "(-Infinity,)", "empty"],
        "daterange": ["[-infinity,infinity]", "[2024-01-01,)", "(,0044-03-15 BC]"], "tsrange": ['["2024-01-01 00:00:00.000001",infinity]', "(,)"],
        "tstzrange": ['["2024-01-01 00:00+00","10000-01-01 00:00+00")', "empty"], "int4multirange": ["{}", "{[1,2),[5,)}"], "nummultirange": ["{(,)}"],
        "tstzmultirange": ['{["2024-01-01 00:00+00",infinity]}', "{}"], "int4range[]": ['{empty,"[1,2)",NULL}'],
        "integer[]": ["[0:1][1:2]={{1,2},{3,NULL}}", "{}", "{{{1}}}", "{NULL}"], "float8[]": ["{NaN,-0,1e23,-Infinity}"], "bytea[]": ['{"\\\\x00ff",NULL,""}'], "boolean[]": ["{t,f,NULL}"],
        "numeric(8,2)[]": ["{NaN,1.10}"], "json[]": ['{"{\\"a\\" : 1}",null}'],
    },
    "their own": {
        "app.mood": ["fine", "not, so \x01fine", ""], "app.mood[]": ['{fine,"not, so \x01fine"}'], "app.pair": ['(1,"x,""y")', "(,)", '(,"")', '(1," \\\\N\n")'], "app.pair[]": ['{"(1,x)","(,)",NULL}'],
        "app.nested": ['("(1,x)","{infinity,NULL}")', "(,)"], "app.small": ["99", "-2147483648"], "app.words": HOSTILE, "app.words9": ["x  ", "\x01", ""],
        "app.moment": MOMENTS, "app.amount": ["NaN", "999999.99", "-0.01"], "app.amount2": ["NaN", "999999.99", "0"], "app.tags": ["{}", '{a,NULL,"b c"}'], "app.flag": ["t", "f"],
        "app.bin": ["\\x00ff", ""], "app.day": DAYS, "app.real": ["1e23", "NaN", "-0"], "app.chars": ["a  ", ""], "app.span": ["[1.5,2)", "empty"], "app.pairs": ['(1,x)'],
    },
}  # fmt: skip
NEW_TYPES = {"numeric(5,-2)": 15, "numeric(3,5)": 15}
"""What older servers have not, and since which version."""

NEW_VALUES = {("interval", "infinity"): 17, ("interval", "-infinity"): 17, ("interval", "2562047788:00:54.775807"): 15}
OWN_TYPES = """
CREATE TYPE app.mood AS ENUM ('fine', E'not, so \\x01fine', ''); CREATE TYPE app.pair AS (a integer, b text); CREATE TYPE app.nested AS (pair app.pair, at timestamptz[]);
CREATE DOMAIN app.small AS integer CHECK (VALUE < 100); CREATE DOMAIN app.words AS text; CREATE DOMAIN app.words9 AS varchar(9); CREATE DOMAIN app.moment AS timestamptz;
CREATE DOMAIN app.amount AS numeric(8,2); CREATE DOMAIN app.amount2 AS app.amount CHECK (VALUE >= 0); CREATE DOMAIN app.tags AS text[]; CREATE DOMAIN app.flag AS boolean;
CREATE DOMAIN app.bin AS bytea; CREATE DOMAIN app.day AS date; CREATE DOMAIN app.real AS float8; CREATE DOMAIN app.chars AS char(5); CREATE DOMAIN app.pairs AS app.pair;
CREATE TYPE app.span AS RANGE (subtype = numeric);
"""


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_that_the_types_of_a_family_can_hold_comes_back_under_every_proof(lifecycle: Lifecycle, family: str) -> None:
    lifecycle.sql("SET client_min_messages = error; " + OWN_TYPES)
    types = {kind: texts for kind, texts in FAMILIES[family].items() if NEW_TYPES.get(kind, 14) <= lifecycle.version}
    names = [f"c{number}" for number in range(len(types))]
    build(lifecycle, ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True)))
    values = [[each for each in texts if NEW_VALUES.get((kind, each), 14) <= lifecycle.version] for kind, texts in types.items()]
    fill(lifecycle, dict(zip(names, values, strict=True)))
    archived_and_equal(lifecycle, PROOFS)


def test_the_blocks_and_row_groups_of_a_file_may_end_anywhere(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and NULLs of all native types in blocks of a few rows, so that slices begin at any bit of a validity map."""
    monkeypatch.setattr("partition_operators.archive_partition.BLOCK_BYTES", 900)
    monkeypatch.setattr("include.archive.writing.ROW_GROUP_BYTES", 7000)
    kinds: dict[str, Callable[[random.Random], str]] = {
        "boolean": lambda r: r.choice("tf"),
        "smallint": lambda r: str(r.randint(-32768, 32767)),
        "bigint": lambda r: str(r.getrandbits(64) - 2**63),
        "real": lambda r: repr(struct.unpack("f", struct.pack("f", r.uniform(-1e9, 1e9)))[0]),
        "float8": lambda r: repr(r.uniform(-1e12, 1e12)),
        "numeric(38,10)": lambda r: f"{Decimal(r.getrandbits(120)) / 10**10 % 10**27:.10f}" if r.random() < 0.9 else "NaN",
        "numeric": lambda r: r.choice(["NaN", "1.50", "-1e-20"]),
        "date": lambda r: r.choice(DAYS),
        "timestamp": lambda r: r.choice(MOMENTS),
        "timestamptz": lambda r: f"{r.randint(1, 9999):04}-05-06 07:08:09.{r.randint(0, 999999):06}+00" if r.random() < 0.8 else "infinity",
        "bytea": lambda r: "\\x" + r.randbytes(r.randint(0, 40)).hex(),
        "text": lambda r: r.choice(HOSTILE[:39]),
    }
    names = [f"c{number}" for number in range(len(kinds))]
    build(lifecycle, ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)))
    chance = random.Random(7)
    fill(
        lifecycle,
        {
            name: [make(chance) if chance.random() < 0.7 else None for _ in range(500)]
            for name, make in zip(names, kinds.values(), strict=True)
        },
    )
    folder = archived_and_equal(lifecycle)
    manifest = read_stored(UPath(folder)).manifest
    assert len(manifest.files[0].blocks) > 50
    assert pq.ParquetFile(folder / "part-00000.parquet").num_row_groups > 5
    assert any(block.rows % 8 for block in manifest.files[0].blocks)


def floats(layout: str, bits: int, chance: random.Random) -> list[bytes]:
    """Random bit patterns, the smallest and the largest numbers, powers of two, and those whose shortest digits lie halfway between two floats."""
    size = bits // 8
    mantissa = 52 if bits == 64 else 23
    patterns = [chance.getrandbits(bits) for _ in range(20_000)]
    patterns += [0, 1, 2, 3, 1 << (bits - 1), (1 << mantissa) - 1, 1 << mantissa]
    patterns += [chance.getrandbits(mantissa) for _ in range(1000)]  # denormal
    patterns += [exponent << mantissa for exponent in range(1 << (bits - 1 - mantissa))]  # powers of two, and infinity
    patterns += [(1 << (bits - 1)) - 1, (1 << bits) - 1]  # NaN
    found = [each.to_bytes(size, "big") for each in patterns]
    numbers = [chance.uniform(-scale, scale) for scale in (1e-4, 1, 100, 1e6, 1e7, 1e8, 1e10, 1e16, 1e17, 1e20) for _ in range(1000)]
    numbers += [float(chance.randrange(10**18)) for _ in range(5000)] + [chance.randrange(10**6) / 100 for _ in range(2000)]
    numbers += [float(f"{chance.randrange(1, 10**5)}e{exponent}") for exponent in range(-30, 31) for _ in range(30)] + [
        1e23,
        9e15,
        2.0**53 + 2,
        44912248.0,
    ]
    middles = [(odd, five) for five in range(1, 10 if bits == 32 else 23) for odd in range(1, 2**12, 50)]
    for odd, five in middles:  # integers with one binary digit more than the mantissa has, and many zeros at their decimal end
        middle = odd * 5**five
        if middle.bit_length() <= mantissa + 2:
            middle *= (1 << (mantissa + 2)) // middle | 1
        if middle.bit_length() == mantissa + 2:
            numbers += [float((middle + side) * 2**five) for side in (-1, 1)]
    return found + [struct.pack(layout, each) for each in numbers]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "layout", "bits"), [("float4", ">f", 32), ("float8", ">d", 64)])
def test_floats_of_any_bits_come_back_bit_by_bit(lifecycle: Lifecycle, kind: str, layout: str, bits: int) -> None:
    build(lifecycle, f"f {kind}")
    values = floats(layout, bits, random.Random(11))
    head = struct.pack(">hi", 1, bits // 8)
    statement = f"COPY {OLD} (f) FROM STDIN BINARY".encode()
    with lifecycle.connect(autocommit=True) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(head + each for each in values) + b"\xff\xff")
    archived_and_equal(lifecycle)


def test_a_sum_of_numerics_with_all_digits_is_not_rounded_on_the_way(lifecycle: Lifecycle) -> None:
    """Each has more digits than the 28 to which Python's decimals are rounded unless they are told otherwise."""
    build(lifecycle, "a numeric(38,10), b numeric(38,0), c numeric(38,38)")
    fill(lifecycle, {"a": ["1234567890123456789012345678.9012345671"] * 7, "b": ["9" * 38] * 9, "c": ["-0." + "9" * 38] * 9})
    folder = archived_and_equal(lifecycle)
    measured = read_stored(UPath(folder)).manifest.evidence.columns
    assert measured["a"]["max"] == 12345678901234567890123456789012345671
    assert measured["b"]["sum"] == int("9" * 38) * 9 % 2**64


@pytest.mark.parametrize(
    ("extension", "types"),
    [
        ("hstore", {"hstore": ['"a"=>"1", "b"=>NULL', "", '"\x01"=>"\\\\N"']}),
        ("citext", {"citext": HOSTILE}),
        ("ltree", {"ltree": ["a.b.c", ""], "lquery": ["*.a{1,2}"]}),
        ("vector", {"vector(3)": ["[1,2.5,-3e-10]"], "halfvec(2)": ["[1,2]"], "sparsevec(5)": ["{1:1.5,3:2}/5"]}),
    ],
)
def test_the_types_of_an_extension_come_back(lifecycle: Lifecycle, extension: str, types: dict[str, list[str]]) -> None:
    try:
        lifecycle.sql(f"CREATE EXTENSION {extension}")
    except psycopg.Error as error:
        pytest.skip(f"this server has no {extension}: {error}")
    build(lifecycle, ", ".join(f"c{number} {kind}" for number, kind in enumerate(types)))
    fill(lifecycle, {f"c{number}": texts for number, texts in enumerate(types.values())})
    archived_and_equal(lifecycle)


def test_xml_comes_back(lifecycle: Lifecycle) -> None:
    try:
        lifecycle.sql("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without libxml")
    build(lifecycle, "c xml")
    fill(lifecycle, {"c": ["<a>\n &lt; </a>", "text <b/> only", "", '<?xml version="1.0"?><a/>']})
    archived_and_equal(lifecycle)


def test_null_and_the_empty_string_stay_apart_in_every_place_of_a_row(lifecycle: Lifecycle) -> None:
    build(lifecycle, "a text, b text, c bytea, d char(2), e text[]")
    fill(
        lifecycle,
        {
            "a": [None, "", None, ""],
            "b": ["", None, None, ""],
            "c": ["", None, "", None],
            "d": ["", None, None, ""],
            "e": ["{}", "{NULL}", '{""}', None],
        },
    )
    rows = pq.read_table(archived_and_equal(lifecycle) / "part-00000.parquet").to_pylist()
    assert [row["a"] for row in rows] == [None, "", None, "", None]
    assert [row["b"] for row in rows] == ["", None, None, "", None]
    assert [row["c"] for row in rows] == [b"", None, b"", None, None]


def test_generated_identity_and_dropped_columns_leave_their_values_and_no_trace(lifecycle: Lifecycle) -> None:
    virtual = lifecycle.version >= 18
    build(
        lifecycle,
        "gone text, a integer, gone2 timestamptz, stored bigint GENERATED ALWAYS AS (a * 2) STORED, always bigint GENERATED ALWAYS AS IDENTITY,"
        " by_default integer GENERATED BY DEFAULT AS IDENTITY, price numeric(38,10), kept numeric(38,10) GENERATED ALWAYS AS (price / 3) STORED"
        + (
            ", virtual text GENERATED ALWAYS AS (upper(a::text) || ' \\N') VIRTUAL, later date GENERATED ALWAYS AS ('infinity'::date) VIRTUAL"
            * virtual
        ),
    )
    lifecycle.sql("INSERT INTO app.t (gone, a, price) SELECT 'gone', g, g / 7.0 FROM generate_series(1, 100) g")
    lifecycle.sql(
        "ALTER TABLE app.t DROP COLUMN gone; ALTER TABLE app.t DROP COLUMN gone2; ALTER TABLE app.t ADD COLUMN added text DEFAULT 'since'"
    )
    folder = archived_and_equal(lifecycle)
    first = pq.read_table(folder / "part-00000.parquet").to_pylist()[0]
    assert (first["a"], first["stored"], first["always"], first["by_default"], first["added"]) == (1, 2, 1, 1, "since")
    assert (first.get("virtual"), first.get("later__text")) == (("1 \\N", "infinity") if virtual else (None, None))
    assert not [name for name in first if "gone" in name or "dropped" in name]


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("fill_it", ["", f"INSERT INTO {OLD} (a) SELECT 'x' FROM generate_series(1, 500); DELETE FROM {OLD}"])
def test_a_partition_without_rows_is_archived_under_every_proof(lifecycle: Lifecycle, fill_it: str, files: int) -> None:
    lifecycle.sql(OWN_TYPES)
    build(lifecycle, "a text, b numeric(8,2), c app.moment, d bytea, e boolean, f float4")
    lifecycle.sql(fill_it)
    manifest = read_stored(UPath(archived_and_equal(lifecycle, PROOFS, files=files))).manifest
    assert (manifest.rows, len(manifest.files)) == (0, files)


def test_columns_may_hold_nothing_but_nulls(lifecycle: Lifecycle) -> None:
    kinds = ["text", "integer", "timestamptz", "bytea", "boolean", "numeric(8,2)", "float8", "json", "date", "text[]"]
    build(lifecycle, ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds)))
    lifecycle.sql(f"INSERT INTO {OLD} (c0) SELECT NULL FROM generate_series(1, 20)")
    rows = pq.read_table(archived_and_equal(lifecycle) / "part-00000.parquet").to_pylist()
    assert [[row[f"c{number}"] for number in range(len(kinds))] for row in rows] == [[None] * len(kinds)] * 20


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_table_of_one_column_which_is_the_key_is_archived(lifecycle: Lifecycle, kind: str) -> None:
    lifecycle.sql(f"CREATE TABLE app.t (at {kind}) PARTITION BY RANGE (at)")
    for name, lower, upper in ((OLD, "2024-08-01", "2024-09-01"), (NEWEST, "2026-11-01", "2026-12-01")):
        zone = "" if kind == "date" else " 00:00+00" if kind == "timestamptz" else " 00:00"
        lifecycle.sql(f"CREATE TABLE {name} PARTITION OF app.t FOR VALUES FROM ('{lower}{zone}') TO ('{upper}{zone}')")
    lifecycle.sql("INSERT INTO app.t SELECT '2024-08-01'::date + mod(g, 30) FROM generate_series(1, 77) g")
    archived_and_equal(lifecycle)


def test_two_hundred_columns_are_archived_in_their_order(lifecycle: Lifecycle) -> None:
    kinds = ["text", "integer", "timestamptz", "numeric(38,10)", "bytea", "float4", "jsonb", "boolean"]
    build(lifecycle, ", ".join(f"c{number} {kinds[number % len(kinds)]}" for number in range(200)))
    samples = [["x", ""], ["1"], ["infinity", "2024-01-01 00:00+00"], ["NaN", "1e-10"], ["\\x00"], ["1e23"], ["{}"], ["t"]]
    fill(lifecycle, {f"c{number}": samples[number % len(kinds)] for number in range(200)})
    table = pq.read_table(archived_and_equal(lifecycle) / "part-00000.parquet")
    assert table.column_names[:201] == [*(f"c{number}" for number in range(200)), "at"]
    assert len(table.column_names) == 201 + 25 + 25 + 1


NAMES = [
    'with "quotes" in it', "with 'single' ones", "with spaces  ", "a.b.c", "Ünïcödé \U0001f600", "x" * 63, "ä" * 31, "%s %(a)s %", "{0} {a}", "1", "0", "-1.5", "archive_version",
    "select", "\\N", "new\nline", "tab\t", "\x01", "f0", "__index_level_0__", "f__text", "x", "x__text", "x__text_", "null", "*", "a,b", "CASE", "case",
]  # fmt: skip


def test_names_of_any_kind_are_archived_and_the_companion_gives_way_to_them(lifecycle: Lifecycle) -> None:
    parent, old, newest = ('"sch ""ema %s"."' + name + '"' for name in ("Ta ble.ü", "Ta ble.ü 2024\\08 %(x)s {}", "Ta ble.ü 2026/11"))
    columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL("timestamptz" if name == "x" else "text")) for name in NAMES]
    with lifecycle.connect(autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "sch ""ema %s"')
        connection.execute(
            sql.SQL("CREATE TABLE {} ({}, \"The 'Key'\" timestamptz NOT NULL) PARTITION BY RANGE (\"The 'Key'\")").format(
                sql.SQL(parent), sql.SQL(", ").join(columns)
            )
        )
        for name, lower, upper in ((old, "2024-08", "2024-09"), (newest, "2026-11", "2026-12")):
            bounds = sql.SQL(f"FOR VALUES FROM ('{lower}-01 00:00+00') TO ('{upper}-01 00:00+00')")
            connection.execute(sql.SQL("CREATE TABLE {} PARTITION OF {} ").format(sql.SQL(name), sql.SQL(parent)) + bounds)
    values = {name: [f"in {name}", "infinity"] if name != "x" else ["infinity", "2024-01-01 00:00+00"] for name in NAMES}
    with lifecycle.connect(autocommit=True) as connection:
        names = sql.SQL(", ").join([*map(sql.Identifier, NAMES), sql.Identifier("The 'Key'")])
        for number in range(2):
            texts = sql.SQL(", ").join([*(sql.Literal(each[number]) for each in values.values()), sql.Literal("2024-08-02 00:00+00")])
            connection.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.SQL(old), names, texts))
    folder = archived_and_equal(lifecycle, table=parent, partition=old, key="The 'Key'")
    manifest = read_stored(UPath(folder)).manifest
    assert manifest.companions == {"x": "x__text__", "The 'Key'": "The 'Key'__text"}
    table = pq.read_table(folder / "part-00000.parquet", partitioning=None)
    assert table.column("x__text__").to_pylist() == ["infinity", None]
    assert table.column("archive_version").to_pylist() == ["in archive_version", "infinity"]
    with lifecycle.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(old)))
        for statement in manifest.ddl:
            connection.execute(statement.encode())


def test_two_months_with_different_content_have_the_same_columns(lifecycle: Lifecycle) -> None:
    lifecycle.sql(OWN_TYPES)
    build(lifecycle, "a numeric(8,2), b timestamp, c date, d app.moment, e text, f float8, g numeric")
    lifecycle.sql("CREATE TABLE app.t_p202409 PARTITION OF app.t FOR VALUES FROM ('2024-09-01 00:00+00') TO ('2024-10-01 00:00+00')")
    fill(lifecycle, {"a": ["NaN"], "b": ["infinity"], "c": ["0044-03-15 BC"], "d": ["-infinity"], "e": [""], "f": ["NaN"], "g": ["NaN"]})
    lifecycle.sql(
        "INSERT INTO app.t SELECT 1, '2024-01-01', '2024-01-01', '2024-01-01', NULL, 1, 1, '2024-09-05' FROM generate_series(1, 9)"
    )
    folders = [archived_and_equal(lifecycle, ("standard",), partition=name) for name in (OLD, "app.t_p202409")]
    schemas = [pq.read_schema(folder / "part-00000.parquet") for folder in folders]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    assert [name for name in schemas[0].names if name.endswith("__text")] == ["a__text", "b__text", "c__text", "d__text", "at__text"]
    both = pq.read_table(lifecycle.archive / "app.t")
    assert (both.num_rows, "archive_version" in both.column_names) == (11, True)


@contextlib.contextmanager
def clerk(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, *grants: str) -> Any:
    """The connection of the policy is that of a role which has these grants."""
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    lifecycle.sql(f"CREATE ROLE clerk LOGIN; GRANT CREATE ON DATABASE {name} TO clerk; GRANT USAGE, CREATE ON SCHEMA app TO clerk")
    try:
        for grant in grants:
            lifecycle.sql(grant)
        with monkeypatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "clerk@"))
            yield
    finally:
        lifecycle.sql("REASSIGN OWNED BY clerk TO postgres; DROP OWNED BY clerk; DROP ROLE clerk")


@pytest.mark.parametrize("proof", PROOFS)
def test_rows_hidden_from_their_own_owner_stop_the_archive(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, proof: str) -> None:
    build(lifecycle, "a integer")
    fill(lifecycle, {"a": ["1", "2"]})
    owned = f"ALTER TABLE app.t OWNER TO clerk; ALTER TABLE {OLD} OWNER TO clerk; ALTER TABLE {NEWEST} OWNER TO clerk"
    policy = lifecycle.policy(table="app.t", partition_key="at", archive={"path": f"file://{lifecycle.archive}", "proof": proof})
    with clerk(lifecycle, monkeypatch, owned):
        lifecycle.sql(f"ALTER TABLE {OLD} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        with pytest.raises(AirflowFailException, match=r"row-level security of .* hides rows from .*: ALTER ROLE .* BYPASSRLS"):
            lifecycle.archive_partition(OLD, policy=policy)
        assert list(lifecycle.archive.rglob("_manifest.json")) == []
        lifecycle.sql(f"ALTER TABLE {OLD} NO FORCE ROW LEVEL SECURITY")
        assert "3 rows" in lifecycle.archive_partition(OLD, policy=policy)


def test_a_policy_on_the_parent_hides_no_row_of_a_partition_that_is_read_by_itself(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(lifecycle, "a integer")
    fill(lifecycle, {"a": ["1", "2"]})
    lifecycle.sql("ALTER TABLE app.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY nothing ON app.t USING (false)")
    with clerk(lifecycle, monkeypatch, "GRANT SELECT ON ALL TABLES IN SCHEMA app TO clerk"):
        assert "3 rows" in lifecycle.archive_partition(OLD, policy=lifecycle.policy(table="app.t", partition_key="at"))


def test_one_column_that_the_role_may_not_read_stops_the_archive(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    build(lifecycle, "a integer, secret text")
    fill(lifecycle, {"a": ["1"], "secret": ["x"]})
    policy = lifecycle.policy(table="app.t", partition_key="at")
    with clerk(lifecycle, monkeypatch, f"GRANT SELECT (a, at), DELETE ON {OLD} TO clerk"):  # DELETE, so that it may lock the table
        with pytest.raises(AirflowFailException, match=r"may not read .*: GRANT"):
            lifecycle.archive_partition(OLD, policy=policy)
        assert list(lifecycle.archive.rglob("*.parquet")) == []
        enough = "SELECT (secret)" if lifecycle.version >= 16 else "SELECT"  # LOCK TABLE asked for all columns
        lifecycle.sql(f"GRANT {enough} ON {OLD} TO clerk")
        assert "2 rows" in lifecycle.archive_partition(OLD, policy=policy)


IMPOSTORS = """
CREATE FUNCTION public.wrong(integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'wrong' $$;
CREATE FUNCTION public.wrong(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'wrong' $$;
CREATE FUNCTION public.wrong(text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 7 $$;
CREATE FUNCTION public.wrong(numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'wrong' $$;
CREATE CAST (integer AS text) WITH FUNCTION public.wrong(integer) AS IMPLICIT;
CREATE CAST (timestamptz AS text) WITH FUNCTION public.wrong(timestamptz) AS IMPLICIT;
CREATE CAST (numeric AS text) WITH FUNCTION public.wrong(numeric) AS IMPLICIT;
CREATE CAST (text AS integer) WITH FUNCTION public.wrong(text) AS IMPLICIT;
CREATE FUNCTION public.times(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT 0::numeric $$;
CREATE OPERATOR public.* (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.times);
CREATE FUNCTION public.differs(numeric, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT false $$;
CREATE OPERATOR public.<> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.differs);
CREATE FUNCTION public.octet_length(text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 0 $$;
CREATE FUNCTION public.octet_length(bytea) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 0 $$;
CREATE FUNCTION public.trunc(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT 0::numeric $$;
CREATE FUNCTION public.convert_to(text, name) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT ''::bytea $$;
CREATE AGGREGATE public.max(integer) (SFUNC = int4smaller, STYPE = integer);
CREATE AGGREGATE public.count(integer) (SFUNC = int4smaller, STYPE = integer);
"""


def test_casts_operators_functions_and_settings_that_users_made_change_no_value(lifecycle: Lifecycle) -> None:
    lifecycle.sql(IMPOSTORS)
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    settings = {
        "search_path": "public, app, pg_catalog", "DateStyle": "'SQL, DMY'", "IntervalStyle": "sql_standard", "TimeZone": "'Asia/Kathmandu'", "bytea_output": "escape",
        "extra_float_digits": "-5", "quote_all_identifiers": "on", "row_security": "on", "default_transaction_isolation": "serializable", "statement_timeout": "'10 s'",
        "transform_null_equals": "on", "client_encoding": "LATIN1", "xmlbinary": "hex", "default_transaction_read_only": "on",
    }  # fmt: skip
    build(
        lifecycle,
        "a integer, b timestamptz, c text, d numeric(8,2), e bytea, f float8, g interval, h varchar(5), i timestamptz[], j text[]",
    )
    fill(
        lifecycle,
        {
            "a": ["1", "-5"], "b": ["2024-03-04 05:06:07.89+00", "infinity"], "c": ["x", "7"], "d": ["1.10", "NaN"], "e": ["\\x00ff"], "f": ["0.1", "1e23"],
            "g": ["1 year -3 days"], "h": ["abc"], "i": ['{"2024-03-04 05:06+00"}'], "j": ["{NULL,a}"],
        },
    )  # fmt: skip
    for key, value in settings.items():
        lifecycle.sql(f"SET default_transaction_read_only = off; ALTER DATABASE {name} SET {key} = {value}")
    folder = archived_and_equal(lifecycle)
    first, second, _ = pq.read_table(folder / "part-00000.parquet").to_pylist()
    assert (first["a"], first["b"], first["c"], first["d"]) == (1, datetime(2024, 3, 4, 5, 6, 7, 890000, UTC), "x", Decimal("1.10"))
    assert (first["e"], first["f"], first["g"], first["h"]) == (b"\x00\xff", 0.1, "1 year -3 days", "abc")
    assert (second["b"], second["b__text"], second["d__text"]) == (None, "infinity", "NaN")


def test_a_database_that_takes_null_in_arrays_for_a_word_changes_nothing(lifecycle: Lifecycle) -> None:
    name = psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"]
    build(lifecycle, "a text[]")
    fill(lifecycle, {"a": ["{NULL,a}", '{"NULL"}']})
    lifecycle.sql(f"ALTER DATABASE {name} SET array_nulls = off")
    archived_and_equal(lifecycle)


GIANT = """
    import json, re, sys, time
    from pathlib import Path
    from partition_operators.archive_partition import ArchivePartitionOperator
    from include.partitioning.policy import PartitionPolicy
    peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # of this program; ru_maxrss is also its parent's
    before = peak()
    archive = {"path": "file://" + sys.argv[1], "proof": sys.argv[2]}
    policy = PartitionPolicy(table="app.t", partition_key="at", retention="1 month", postgres_conn_id="target", archive=archive)
    begun = time.monotonic()
    said = ArchivePartitionOperator(task_id="archive", policy=policy, partition="app.t_p202408", reference_date="2026-11-22").execute({})
    print(json.dumps({"said": said, "before": before, "peak": peak(), "seconds": time.monotonic() - begun}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS[1:])
@pytest.mark.parametrize("kind", ["text", "bytea"])
def test_a_row_of_a_hundred_megabytes_is_archived_and_proven_in_less_than_two_gibibytes(
    lifecycle: Lifecycle, kind: str, proof: str
) -> None:
    build(lifecycle, f"a integer, big {kind}")
    piece = "sha256(g::text::bytea)" if kind == "bytea" else "md5(g::text)"  # 32 bytes each, of no pattern
    empty = "''" if kind == "text" else "'\\x'::bytea"
    lifecycle.sql(f"INSERT INTO {OLD} (a, big) SELECT 1, string_agg({piece}, {empty}) FROM generate_series(1, 3125000) g")
    lifecycle.sql(f"INSERT INTO {OLD} (a, big) VALUES (2, 'x'), (3, NULL)")
    assert lifecycle.value(f"SELECT max(octet_length(big)) FROM {OLD}") == 100_000_000
    environment = {**os.environ, "AIRFLOW_CONN_TARGET": lifecycle.uri, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}"}
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", textwrap.dedent(GIANT), str(lifecycle.archive), proof], env=environment, capture_output=True, text=True, check=True, timeout=300
    )  # fmt: skip
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert "3 rows" in found["said"]
    report = f"a row of 100 MB, {kind}, proof {proof}: peak {found['peak'] / 1024:.0f} MiB, of which Airflow {found['before'] / 1024:.0f}; {found['seconds']:.1f} s"
    logging.getLogger(__name__).warning("%s", report)
    assert found["peak"] < 2 * 2**20, report
    file = pq.ParquetFile(next(lifecycle.archive.rglob("part-00000.parquet")))
    assert file.metadata.num_rows == 3
    digest = file.read(columns=["big"]).column("big")[0].as_py()
    with lifecycle.connect() as connection:
        assert connection.execute(f"SELECT big FROM {OLD} WHERE a = 1".encode(), binary=True).fetchone() == (digest,)
