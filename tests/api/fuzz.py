"""Run Schemathesis against a running platform, with requests generated from the description that it serves.

All checks are on. Two tenants have a key each: what one of them was shown must not be shown to the other. Well-formed
data may still be rejected, such as a pattern that does not compile or an address that may not be called; the scopes of
a key and the forms of an event are not in the description.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from re import sub

import orjson

from tests.api.existing_ids import existing_ids, tenants
from tests.processes import run

CONFIG = """
color = false

[auth.wfc]
path = "{keys}"
peers = {peers}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 402, 403, 404, 409, 412, 415, 422, 429]

[dictionaries.tenants]
values = {tenants}

[parameters]
"header.Waypost-Tenant" = {{ dictionary = "tenants", probability = {mostly} }}

{dictionaries}
{operations}
"""
DICTIONARY = """
[dictionaries.{name}]
values = {values}
"""
OPERATION = """
[[operations]]
include-name = "{method} {path}"
parameters = {{ {bound} }}
"""
MOSTLY = 0.9  # the rest is generated


def fuzz(
    address: str, keys: Mapping[str, str], place: Path, *options: str, report: int | None = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Fuzz the platform at this address with the keys of these tenants.

    ``place``: a folder for its files. ``report``: where its output goes (None: to the terminal).
    """
    users, config = place / "keys.json", place / "schemathesis.toml"
    users.write_bytes(orjson.dumps({"auth": [_user(name, key) for name, key in keys.items()]}))
    config.write_text(
        CONFIG.format(
            keys=users,
            peers=_listed(keys),
            tenants=_listed(tenants(address, keys.values())),
            mostly=MOSTLY,
            **_known(existing_ids(address, keys.values())),
        )
    )
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", *options]
    command += ["--checks", "all", f"{address}/api/v1/schema/"]
    return run(command, cwd=place, stdin=subprocess.DEVNULL, stdout=report, stderr=report, text=True)


def _known(operations: Mapping[tuple[str, str], Mapping[str, list[str]]]) -> dict[str, str]:
    """Return the configuration that puts existing ids into the paths."""
    dictionaries, bindings = {}, []
    for (method, path), ids in operations.items():
        bound = []
        for name, values in ids.items():
            dictionary = sub(r"\W+", "_", values[0])
            dictionaries[dictionary] = DICTIONARY.format(name=dictionary, values=_listed(values))
            bound.append(f'"path.{name}" = {{ dictionary = "{dictionary}", probability = {MOSTLY} }}')
        bindings.append(OPERATION.format(method=method.upper(), path=path, bound=", ".join(bound)))
    return {"dictionaries": "".join(dictionaries.values()), "operations": "".join(bindings)}


def _listed(texts: Iterable[str]) -> str:
    return orjson.dumps([*texts]).decode()


def _user(name: str, key: str) -> dict[str, object]:
    """Return a user in the format of the Web Fuzzing Commons."""
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}
