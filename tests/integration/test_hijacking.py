"""Objects that bear the names of PostgreSQL's own, first in everybody's search_path: none of our statements may find them."""

import psycopg
import pytest

from include.partitioning.names import TableName
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.queries import row
from include.postgres.session import prepare
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from tests.integration.conftest import Lifecycle

OLD, LATEST = "app.events_p202408", "app.events_p202611"

TRAPS = """
CREATE FUNCTION public.spring() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'hijacked'; END $$;
DO $$ DECLARE o record; BEGIN
  FOR o IN SELECT oprname, NULLIF(oprleft, 0)::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result, oid FROM pg_catalog.pg_operator
            WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprresult <> 0 AND oprcode <> 0 AND oprleft <> 0
              AND oprname IN ('=', '<>', '<', '>', '<=', '>=', '+', '-', '/', '*', '||', '>>', '&', '~', '->>')
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid IN (oprleft, oprright, oprresult) AND typtype = 'p' AND typname NOT LIKE 'any%') LOOP
    BEGIN
      EXECUTE pg_catalog.format('CREATE FUNCTION public.trap_%s(%s, %s) RETURNS %s LANGUAGE sql AS ''SELECT public.spring(); SELECT NULL::%s''',
                                o.oid, o.l, o.r, o.result, o.result);
      EXECUTE pg_catalog.format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.trap_%s)', o.oprname, o.l, o.r, o.oid);
    EXCEPTION WHEN invalid_function_definition OR undefined_function OR feature_not_supported OR datatype_mismatch THEN NULL;
    END;
  END LOOP;
END $$;
DO $$ DECLARE f record; BEGIN
  FOR f IN SELECT p.oid, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype::regtype AS result
             FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.provariadic = 0
              AND (p.proname LIKE 'pg\\_%' OR p.proname IN ('now', 'clock_timestamp', 'set_config', 'current_setting', 'format_type', 'quote_ident', 'substr',
                   'hashtextextended', 'date_trunc', 'length', 'left', 'obj_description', 'encode', 'sha256', 'convert_to', 'mod', 'trunc', 'aclexplode', 'unnest'))
              AND NOT p.prorettype = ANY ('{internal,cstring,trigger,event_trigger,language_handler,fdw_handler,index_am_handler,tsm_handler,table_am_handler}'::regtype[]) LOOP
    BEGIN
      EXECUTE pg_catalog.format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS ''BEGIN PERFORM public.spring(); RETURN NULL; END''',
                                f.proname, f.arguments, f.result);
    EXCEPTION WHEN others THEN NULL;
    END;
  END LOOP;
END $$;
CREATE FUNCTION public.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE TABLE public.pg_class (oid oid); CREATE TABLE public.pg_inherits (inhrelid oid); CREATE VIEW public.pg_locks AS SELECT 1 AS pid;
CREATE TABLE public.pg_constraint (oid oid); CREATE DOMAIN public.text AS pg_catalog.text CHECK (false); CREATE DOMAIN public.timestamptz AS pg_catalog.date;
CREATE DOMAIN public.bigint AS pg_catalog.text; CREATE DOMAIN public.int8 AS pg_catalog.text; CREATE DOMAIN public.name AS pg_catalog.int4; CREATE DOMAIN public.oid AS pg_catalog.text;
"""

CASTS = """
CREATE FUNCTION public.wrong(anyelement) RETURNS pg_catalog.text LANGUAGE sql IMMUTABLE AS $$ SELECT 'hijacked'::pg_catalog.text $$;
DO $$ DECLARE t pg_catalog.regtype; BEGIN
  FOREACH t IN ARRAY ARRAY['uuid', 'timestamptz', 'timestamp', 'date', 'interval', 'int2', 'int4', 'int8', 'numeric', 'oid', 'int2vector', 'xid', 'bool', 'regclass', 'bytea', 'jsonb']::regtype[] LOOP
    BEGIN
      EXECUTE pg_catalog.format('CREATE FUNCTION public.wrong_text(%s) RETURNS pg_catalog.text LANGUAGE sql IMMUTABLE AS $f$ SELECT ''hijacked''::pg_catalog.text $f$', t);
      EXECUTE pg_catalog.format('CREATE CAST (%s AS pg_catalog.text) WITH FUNCTION public.wrong_text(%s)', t, t);
    EXCEPTION WHEN duplicate_object THEN NULL;
    END;
  END LOOP;
END $$;
"""


def live(lifecycle: Lifecycle) -> None:
    policy = lifecycle.policy(
        archive={"path": f"file://{lifecycle.archive}", "proof": "restore"},
        recent_view={"name": "app.v_recent"},
        retention="1 month",
        premake=1,
    )
    assert OLD in lifecycle.plan(policy=policy)
    lifecycle.heal(policy=policy)
    lifecycle.create(policy=policy)
    lifecycle.run(RefreshRecentViewOperator, policy=policy)
    lifecycle.expire(OLD, policy=policy)
    assert "is gone already" in lifecycle.drop(OLD, policy=policy)
    assert lifecycle.drill(policy=policy) == [OLD]
    assert "50 rows, compared" in lifecycle.restore(OLD, policy=policy)
    assert "attached already" in lifecycle.restore(OLD, policy=policy)
    lifecycle.analyze(policy=policy)
    lifecycle.run(MeasureBloatOperator, policy=policy)
    lifecycle.run(ReindexPartitionOperator, partition=LATEST, policy=lifecycle.policy(reindex={"bloat_above": 0.01}))


def test_functions_operators_types_and_tables_of_other_schemas_are_not_found(lifecycle: Lifecycle) -> None:
    lifecycle.sql(TRAPS)
    database = str(psycopg.conninfo.conninfo_to_dict(lifecycle.uri)["dbname"])
    lifecycle.sql(f"ALTER DATABASE {database} SET search_path = public, app, pg_catalog")
    with lifecycle.connect() as victim, pytest.raises(psycopg.errors.RaiseException, match="hijacked"):
        victim.execute("SELECT relname FROM pg_catalog.pg_class WHERE oid = 1::pg_catalog.oid")
    lifecycle.uri += "&options=-c%20search_path%3Dpg_catalog"  # for the test's own questions
    live(lifecycle)


def test_casts_to_text_that_somebody_made_change_nothing(lifecycle: Lifecycle) -> None:
    lifecycle.sql(CASTS)
    assert lifecycle.value("SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid::text") == "hijacked"
    live(lifecycle)
    with lifecycle.connect() as connection:
        prepare(connection, "test")
        assert "hijacked" not in Ledger(connection, TableName("app", "events"), RunIdentity()).archive_ids()
        taken = {(row(connection, "advisory_lock_try", oid=each) or {})["taken"] for each in ("1", "2")}
        assert taken == {True}
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (2,)
