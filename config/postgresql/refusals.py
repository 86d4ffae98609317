"""Say what to do about a statement that the server refuses because of what it contains or permits."""

from django.db import Error

ADVICE = {  # by SQLSTATE (PostgreSQL, appendix A)
    "25006": "name the primary server in DATABASE_URL, or allow its user to write (default_transaction_read_only)",
    "3F000": "create the schema that the search_path of its user names",
    "42501": "allow its user to create tables: GRANT CREATE ON SCHEMA public TO the user, or make it the owner",
    "42703": "another program has made this table; name a database of Waypost's own",
    "42710": "another program has made it; name a database of Waypost's own",
    "42P07": "another program has made it; name a database of Waypost's own",
    "53100": "free some space on the disk of the server",
}


def refusal(error: Error) -> str:
    """Return in one line what the server has said, and what to do about it if that is known."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    advice = ADVICE.get(sqlstate(error), "")
    return f"{said}; {advice}" if advice else said


def is_refused(error: Error) -> bool:
    """Return whether it is the database that has to be changed, or another one named, and no statement of ours."""
    return sqlstate(error) in ADVICE


def sqlstate(error: Error) -> str:
    """Return the code of an error by which its kind is recognised; empty if the server has sent none."""
    return getattr(error.__cause__, "sqlstate", "") or ""
