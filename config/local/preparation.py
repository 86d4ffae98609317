"""Check the servers, migrate the database and create the first login, in a fork of `manage.py up`."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import import_string
from kombu.connection import Connection as BrokerConnection

from config.doctor.databases import check_server
from config.doctor.finding import Level
from config.env import Misconfigured
from config.local.first_login import FirstLogin
from config.local.launch import CannotRun
from config.ops.migrations import all_migrations, is_empty_database, missing_migrations
from config.postgresql.pooled_requests import pooled_connection, shares_sessions
from config.postgresql.refusals import refusal
from webhooks.encryption.check import keys_problem
from webhooks.version import VERSION

MIGRATE = "config.upgrade.run.migrate_at_start"  # loaded in the fork, which ends: it takes some MiB
UNKNOWN = "config.upgrade.pending.unknown_migrations"  # likewise
log = structlog.get_logger("waypost.up")


class Preparation:
    """Migrate and create the login in a fork, while this process loads the programs.

    The connections and the migrations are gone with the fork. An empty database gets its tables at once; one that has
    content is not changed before `permit`. An error in the context, such as Ctrl-C, ends the fork.
    """

    def __init__(self, data: Path) -> None:
        context = get_context("fork")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_prepare, args=(data, self._here, there))
        self._process.start()
        there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._process.terminate()  # the server rolls back the migration; the next start goes on from there
        self._here.close()
        self._process.join()

    def permit(self) -> None:
        """Allow to change what the database contains, since the settings were checked."""
        with suppress(BrokenPipeError):  # it has ended, and `login` says why
            self._here.send("")

    def login(self) -> str:
        """Wait for the end, and return the login. Raises CannotRun."""
        try:
            login, error = self._here.recv()
        except (EOFError, ConnectionResetError):
            login, error = "", "the preparation of the database ended without a result"
        if error:
            raise CannotRun(error)
        return str(login)


def _prepare(data: Path, parents: "Connection[str, tuple[str, str]]", pipe: "Connection[tuple[str, str], str]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to this process too, which its parent ends
    parents.close()  # so that the pipe is at its end when the parent closes it
    try:
        _check_servers()
        if not is_empty_database() and not _is_permitted(pipe):
            return
        with ThreadPoolExecutor(1) as beside:  # hashing takes half a second of a processor, and no interpreter's lock
            login = FirstLogin(data, beside)
            _migrate()
            if problem := keys_problem():
                raise CannotRun(problem)
            pipe.send((login.created(), ""))
    except (CannotRun, Misconfigured) as error:
        pipe.send(("", str(error)))
    except Error as error:
        pipe.send(("", f"DATABASE_URL: {refusal(error)}"))


def _is_permitted(pipe: "Connection[tuple[str, str], str]") -> bool:
    try:
        pipe.recv()
    except EOFError:
        return False
    return True


def _check_servers() -> None:
    pooled = None if settings.WAYPOST_POOLED_DATABASE is None else pooled_connection()
    variable = "DATABASE_URL" if pooled is None else "WAYPOST_DIRECT_DATABASE_URL"
    _connect(connection, variable)
    for found in check_server():
        if found.level is Level.ERROR:
            raise CannotRun(f"{variable}: {found.text}; {found.advice}")
    if not settings.WAYPOST_EMBEDDED_DATABASE and shares_sessions(connection.get_connection_params()):
        raise CannotRun(
            f"{variable}: a pooler in transaction mode keeps no session, which workers need; "
            "name the server itself in WAYPOST_DIRECT_DATABASE_URL"
        )
    if pooled is not None:
        _connect(pooled, "DATABASE_URL")
        pooled.close()
    try:
        with BrokerConnection(settings.CELERY_BROKER_URL, connect_timeout=3) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except TypeError as error:  # the client gets the options of the URL as arguments
        raise CannotRun(f"REDIS_URL: an option after the question mark is not known: {_first_line(error)}") from None
    except Exception as error:  # the error's class depends on the broker
        raise CannotRun(f"REDIS_URL: {_first_line(error)}") from None


def _connect(database: BaseDatabaseWrapper, variable: str) -> None:
    try:
        database.ensure_connection()
    except Error as error:
        raise CannotRun(f"{variable}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _migrate() -> None:
    if not missing_migrations():
        _warn_of_newer_version()
        return
    migrate_at_start: Callable[[Callable[[str], None]], str] = import_string(MIGRATE)
    if problem := migrate_at_start(lambda line: log.info("migrating", step=line.strip())):
        raise CannotRun(problem)


def _warn_of_newer_version() -> None:
    """Log migrations that this version does not have: it works beside a newer one, as it does during an upgrade."""
    ours = {app for app, _ in all_migrations()}
    applied = {it for it in MigrationRecorder(connection).applied_migrations() if it[0] in ours}
    if applied - set(all_migrations()) and (unknown := import_string(UNKNOWN)()):
        log.warning("a newer version has upgraded the database; install that one", here=VERSION, unknown=unknown[:3])
