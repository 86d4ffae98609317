"""Build the URL of the test's database, for other processes."""

from urllib.parse import quote, urlencode

from django.db import connection


def database_url() -> str:
    """Return the URL of the test's database."""
    known = connection.settings_dict
    login = quote(known["USER"], safe="")
    if known["PASSWORD"]:
        login += ":" + quote(known["PASSWORD"], safe="")
    options = {"host": known["HOST"], **({"port": known["PORT"]} if known["PORT"] else {}), **known["OPTIONS"]}
    return f"postgresql://{login}@/{known['NAME']}?{urlencode(options)}"
