-- 0001: the schemas, and the table of users the partitioned tables refer to.
--
-- Why first: core.sessions and system.audit_trails carry a foreign key to auth.users, so it has to be there before
-- them. The table is not partitioned: it is small, and a reference needs a key that does not hold a date.
--
-- Safe to run again: everything is created only if it is missing.

CREATE SCHEMA IF NOT EXISTS auth;
CREATE SCHEMA IF NOT EXISTS core;
CREATE SCHEMA IF NOT EXISTS system;

COMMENT ON SCHEMA auth IS 'Who may sign in.';
COMMENT ON SCHEMA core IS 'What the product records about its own use.';
COMMENT ON SCHEMA system IS 'What is kept for auditors rather than for the product.';

CREATE TABLE IF NOT EXISTS auth.users (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  email text NOT NULL,
  display_name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_email_key UNIQUE (email)
);

COMMENT ON TABLE auth.users IS 'One row per account. Deleting a row deletes the sessions of that account.';
COMMENT ON COLUMN auth.users.display_name IS 'As the person writes it: any script, not unique.';
