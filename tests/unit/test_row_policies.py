"""Policies of one table, written for another."""

import pytest

from include.partitioning.names import TableName
from include.postgres.row_policies import RowPolicy, create_row_policy, of_other_table

SIBLING, NEW = TableName("app", "t_p202611"), TableName("app", "t_p202612")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(user_id = 5)", "(user_id = 5)"),
        ("(k.id = t_p202611.user_id)", '(k.id = "t_p202612".user_id)'),
        ("(k.id = (t_p202611.place).name)", '(k.id = ("t_p202612".place).name)'),
        ("(note <> 't_p202611.x'::text)", "(note <> 't_p202611.x'::text)"),
        ("(note <> 'it''s t_p202611.x'::text)", "(note <> 'it''s t_p202611.x'::text)"),
        ("(note <> E'a\\\\'::text) AND (t_p202611.note <> 't_p202611.'::text)", "(note <> E'a\\\\'::text) AND (\"t_p202612\".note <> 't_p202611.'::text)"),
        ("(EXISTS ( SELECT FROM app.t_p202611 t_p202611_1 WHERE t_p202611_1.id = 1))", "(EXISTS ( SELECT FROM app.t_p202611 t_p202611_1 WHERE t_p202611_1.id = 1))"),
        ("(other.t_p202611.x = 1)", "(other.t_p202611.x = 1)"),
        ("(at_p202611.x = 1)", "(at_p202611.x = 1)"),
        ('("t_p202611.x" = 1)', '("t_p202611.x" = 1)'),
    ],
)  # fmt: skip
def test_only_the_table_s_own_columns_are_renamed(expression: str, expected: str) -> None:
    assert of_other_table(expression, SIBLING, NEW) == expected


def test_a_name_that_needs_quotes_is_found_in_them() -> None:
    sibling, new = TableName("app", 'My "T" 1'), TableName("app", 'My "T" 2')
    assert of_other_table('("My ""T"" 1".id = k.id)', sibling, new) == '("My ""T"" 2".id = k.id)'


def test_roles_command_and_kind_are_written_out() -> None:
    policy = RowPolicy("Add It", permissive=False, command="a", roles=(None, "reader"), visible=None, writable="(id > 0)")
    assert create_row_policy(policy, SIBLING, NEW).as_string() == (
        'CREATE POLICY "Add It" ON "app"."t_p202612" AS RESTRICTIVE FOR INSERT TO PUBLIC, "reader" WITH CHECK ((id > 0))'
    )
