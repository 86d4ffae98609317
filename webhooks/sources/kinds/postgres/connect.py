"""Connect to a PostgreSQL of others: to a checked address, with a deadline for every statement.

libpq reads the environment and the home directory of this process for what a connection does not say; everything that
could send a credential of the platform to others is set here.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from django.conf import settings as platform
from psycopg import errors, sql
from psycopg.abc import PQGen
from psycopg.adapt import Loader

from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host
from webhooks.sources.kinds.kind import Connection, InvalidSettings, Setting, SourceUnavailable
from webhooks.sources.kinds.opening import closed_on_failure
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

CONNECT_SECONDS = 5  # for one address
MAX_ADDRESSES = 2  # of a name; a name with hundreds that do not respond would outlast the lease
STATEMENT_SECONDS = 15.0  # for one statement, and for all of one fetch; a stalled server is left after it
LOCK_SECONDS = 5  # to wait for a lock of others
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
TEXT_OIDS = (18, 19, 25, 114, 1042, 1043, 3802)  # char, name, text, json, bpchar, varchar, jsonb

SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",  # of a reader that another process has replaced
}

T = TypeVar("T")

HOST = Setting(
    "host",
    "Host",
    "Host name or IP address of the server. The platform connects to public addresses, and to those that the operator "
    "allows.",
    is_required=True,
    names_place=True,
    max_length=253,
    example="db.example.com",
)
PORT = Setting(
    "port", "Port", "Port of the server.", "number", default=5432, minimum=1, maximum=65535, names_place=True
)
DATABASE = Setting(
    "database",
    "Database",
    "Name of the database; not the platform's own.",
    is_required=True,
    names_place=True,
    max_length=63,
    example="shop",
)
USER = Setting("user", "User", "Role to log in as.", is_required=True, max_length=63, example="waypost_reader")
PASSWORD = Setting("password", "Password", "Password of the role.", is_credential=True, example="correct horse")
TLS = Setting(
    "tls",
    "TLS",
    "require: encrypt, and refuse a server without TLS. verify: also check the certificate and the name of the host, "
    "by ca_certificate or the authorities of the system. disable: only inside a trusted network.",
    default="require",
    choices=("verify", "require", "disable"),
)
CA_CERTIFICATE = Setting(
    "ca_certificate",
    "Certificate authority",
    "PEM certificates of the authorities that sign the server's certificate. Empty: those of the system.",
    is_credential=True,
    max_length=65536,
    example="-----BEGIN CERTIFICATE-----\n...",
)
CONNECT_SETTINGS = (HOST, PORT, DATABASE, USER, PASSWORD, TLS, CA_CERTIFICATE)


class OwnDatabase(SourceUnavailable):
    """The database is the platform's own, whose events are published already."""

    def __init__(self) -> None:
        super().__init__("Is the platform's own database; name another one.", DATABASE.path)


class BytesLoader(Loader):
    """Return text as the server sends it: it may be no UTF-8."""

    def load(self, data: Any) -> bytes:
        """Return the bytes of a value."""
        return bytes(data)


class Database(psycopg.Connection[Any]):
    """A connection whose statements all end by a deadline (``limit``), also if the server stalls."""

    deadline = float("inf")  # monotonic

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run a step of the protocol. Raises OperationalError when the deadline passes; the connection is closed."""
        if timeout is not None or self.deadline == float("inf"):
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(0.0, self.deadline - time.monotonic()))
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("The server did not respond in time.") from None

    @contextmanager
    def limit(self, seconds: float = 0.0) -> Iterator[None]:
        """Let all statements in this block end within ``seconds``; report errors as SourceUnavailable.

        Without a number, within STATEMENT_SECONDS.
        """
        self.deadline = time.monotonic() + (seconds or STATEMENT_SECONDS)
        try:
            with reported():
                yield
        finally:
            self.deadline = float("inf")

    def rows(self, statement: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows; text values as bytes."""
        cursor = self.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def connect(connection: Connection, *, autocommit: bool = True) -> Database:
    """Connect to the database of a source. Raises SourceUnavailable with the setting to correct."""
    own = connection.settings
    options: dict[str, Any] = {
        "port": own["port"],
        "dbname": own["database"],
        "user": own["user"],
        "password": connection.credentials.get("password", ""),
        "application_name": f"waypost {connection.source}"[:63],
        "connect_timeout": CONNECT_SECONDS,
        "passfile": os.devnull,
        "gssencmode": "disable",
        "sslcertmode": "disable",
        "require_auth": "none,password,md5,scram-sha-256",
        "target_session_attrs": "any",
        "load_balance_hosts": "disable",
        "client_encoding": "UTF8",
        "options": "",
        **KEEPALIVE,
    }
    with _tls(own["tls"], connection.credentials.get("ca_certificate", "")) as tls:
        opened = _first_opened(addresses(connection)[:MAX_ADDRESSES], host=own["host"], **options, **tls)
    with closed_on_failure(opened):
        _prepare(opened)
        opened.autocommit = autocommit
    return opened


def _first_opened(places: Sequence[str], **options: Any) -> Database:
    """Return a connection to the first address that accepts. Raises SourceUnavailable."""
    failed: psycopg.Error | None = None
    for address in places:
        try:
            return Database.connect(hostaddr=address, autocommit=True, prepare_threshold=None, **options)
        except psycopg.Error as error:
            failed = error
            if _is_refusal(error):
                break
    raise connect_failure(failed)


def addresses(connection: Connection) -> list[str]:
    """Return the checked addresses of the host. Raises SourceUnavailable."""
    try:
        return check_host(connection.settings["host"], connection.settings["port"], share=connection.share)
    except (ForbiddenAddress, HostNotResolved, LimitReached) as error:
        raise SourceUnavailable(str(error), HOST.path) from error


def _prepare(opened: Database) -> None:
    """Set what values and times depend on. Raises SourceUnavailable."""
    for oid in TEXT_OIDS:
        opened.adapters.register_loader(oid, BytesLoader)
    with opened.limit():
        names = sql.SQL(", ").join(
            sql.SQL("set_config({}, {}, false)").format(*map(sql.Literal, it)) for it in SESSION.items()
        )
        opened.execute(sql.SQL("SELECT {}").format(names))
        if is_own(opened):
            raise OwnDatabase


def is_own(opened: Database) -> bool:
    """Return whether this is the database of the platform, by the identity of the cluster and the database's name."""
    try:
        [(system, name)] = opened.rows(_IDENTITY)
    except errors.InsufficientPrivilege:
        return False
    return (str(system), name) == _own_identity()


_IDENTITY = "SELECT (SELECT system_identifier FROM pg_control_system()), current_database()::text"


def _own_identity() -> tuple[str, bytes]:
    own = platform.DATABASES["default"]
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    place = {name: str(own[key]) for key, name in names.items() if own.get(key)}
    options = {name: value for name, value in own.get("OPTIONS", {}).items() if isinstance(value, str)}
    return _identity(tuple(sorted({**options, **place}.items())))


@lru_cache(maxsize=4)
def _identity(place: tuple[tuple[str, str], ...]) -> tuple[str, bytes]:
    """Return the identity of the platform's database; over a connection of its own, once per process."""
    with psycopg.connect(**dict(place), connect_timeout=CONNECT_SECONDS) as own:  # type: ignore[arg-type]
        [(system, name)] = own.execute(_IDENTITY).fetchall()
    return str(system), str(name).encode()


def check_not_own(connection: Connection) -> None:
    """Refuse settings that name the platform's own database as Django's settings do. Raises InvalidSettings."""
    own, settings = platform.DATABASES["default"], connection.settings
    theirs = (settings["host"].lower(), settings["port"], settings["database"])
    if theirs == (str(own["HOST"]).lower(), int(own["PORT"] or 5432), own["NAME"]):
        raise InvalidSettings({DATABASE.path: "Must not be the platform's own database."})


@contextmanager
def _tls(mode: str, authority: str) -> Iterator[dict[str, str]]:
    """Yield the options of a mode; libpq reads certificates only from files, and only while it connects."""
    if mode != "verify":
        yield {"sslmode": "disable"} if mode == "disable" else {"sslmode": "require", "sslrootcert": ""}
        return
    if not authority.strip():
        yield {"sslmode": "verify-full", "sslrootcert": "system"}
        return
    with tempfile.NamedTemporaryFile("w", prefix="waypost-ca-", suffix=".pem") as file:
        file.write(authority)
        file.flush()
        yield {"sslmode": "verify-full", "sslrootcert": file.name}


_REFUSALS: tuple[tuple[str, str, str], ...] = (
    (
        r"password authentication failed|no password supplied",
        "The server refused the password, or has no such user.",
        PASSWORD.path,
    ),
    (r'database ".*" does not exist', "There is no such database.", DATABASE.path),
    (r"permission denied for database", "The role may not connect to the database.", DATABASE.path),
    (r'role ".*" (?:does not exist|is not permitted)', "There is no such role, or it may not log in.", USER.path),
    (r"no pg_hba\.conf entry", "The server's pg_hba.conf does not let this role log in from here.", USER.path),
    (r"peer authentication failed|[Aa]uthentication failed", "The server refused the role.", USER.path),
    (r"server does not support SSL", "The server has no TLS; set tls to disable if the network is trusted.", TLS.path),
    (r"certificate|SSL|TLS", "No trusted TLS connection could be made.", TLS.path),
    (r"too many connections|too many clients|remaining connection slots", "The server has no free connection.", ""),
    (r"starting up|shutting down|in recovery|not yet accepting", "The server is starting or stopping.", ""),
)


def _is_refusal(error: psycopg.Error) -> bool:
    return any(re.search(pattern, str(error)) for pattern, _, _ in _REFUSALS)


def connect_failure(error: psycopg.Error | None) -> SourceUnavailable:
    """Return a sentence and the setting to correct for a failed connection."""
    for pattern, sentence, setting in _REFUSALS:
        if re.search(pattern, str(error)):
            return SourceUnavailable(sentence, setting)
    return SourceUnavailable("The server was not reached: no connection could be made in time.", HOST.path)


@contextmanager
def reported(paths: Mapping[type[psycopg.Error], str] | None = None) -> Iterator[None]:
    """Report database errors as SourceUnavailable; ``paths`` has the settings to correct, by class of the error."""
    try:
        yield
    except psycopg.Error as error:
        setting = next((path for of, path in (paths or {}).items() if isinstance(error, of)), "")
        raise SourceUnavailable(f"PostgreSQL: {message_of(error)}", setting) from error


def message_of(error: psycopg.Error) -> str:
    """Return the message of an error in one line, without the statement."""
    text = error.diag.message_primary or str(error).strip().splitlines()[0] if str(error).strip() else "lost"
    return text[:1].upper() + text[1:].rstrip(".") + "."
