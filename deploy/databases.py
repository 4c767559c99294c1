"""Roles and databases of docker-compose.yml, each role with what it needs and no more. What is there is left, but passwords are set."""

import os

import psycopg
from psycopg import sql


def main() -> None:
    """Both servers, as their superusers."""
    with psycopg.connect(os.environ["METADATA_ADMIN_URL"], autocommit=True) as connection:
        for role in ("airflow", "celery_results"):
            password = "METADATA_PASSWORD" if role == "airflow" else "CELERY_RESULTS_PASSWORD"
            make_role(connection, role, os.environ[password])
            make_database(connection, role, owner=role)
    with psycopg.connect(os.environ["TARGET_ADMIN_URL"], autocommit=True) as connection:
        make_role(connection, "app_owner", None)
        make_role(connection, "partition_lifecycle", os.environ["TARGET_PASSWORD"])
        connection.execute("GRANT app_owner TO partition_lifecycle")
        connection.execute("GRANT pg_read_all_stats TO partition_lifecycle")
        make_database(connection, "app", owner="app_owner")
        connection.execute("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE app TO partition_lifecycle")


def make_role(connection: psycopg.Connection[tuple[object, ...]], name: str, password: str | None) -> None:
    """A role that may log in if it has a password."""
    if connection.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    if password is not None:
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))


def make_database(connection: psycopg.Connection[tuple[object, ...]], name: str, *, owner: str) -> None:
    """A database to which only its owner, and who is granted it, may connect."""
    if connection.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", (name,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
