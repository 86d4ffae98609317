"""Drop the database of the tests though a session is still connected to it.

A thread or a server of the last test may just end, and PostgreSQL refuses to drop a database that has a session. What
was connected is printed, since a test that leaves a connection should be found.
"""

from django.db.backends.postgresql.creation import DatabaseCreation

SESSIONS = "SELECT application_name, state, query FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


def drop_by_force(creation: DatabaseCreation, test_database_name: str, verbosity: int) -> None:
    with creation._nodb_cursor() as cursor:
        cursor.execute(SESSIONS, [test_database_name])
        for application, state, query in cursor.fetchall():
            creation.log(f"still connected to {test_database_name}: {application} {state} {query}")
        cursor.execute(f"DROP DATABASE {creation.connection.ops.quote_name(test_database_name)} WITH (FORCE)")
