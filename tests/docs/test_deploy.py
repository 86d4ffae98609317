"""The page about deploying, and the files it names: units of systemd, the image, Compose and the chart.

Every variable they set is one of docs/reference/settings.md, every command one that exists. What runs containers is not
here, so these files are read, and not run.
"""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.test_settings import manage
from tests.docs.blocks import ROOT, Block
from tests.docs.inventory import block_for, blocks_for
from tests.docs.test_commands import check_program

SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text()
UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
CHART = ROOT / "ops" / "helm" / "waypost"
OF_POSTGRES = ("POSTGRES_",)  # variables of its image


def is_setting(name: str) -> bool:
    return f"`{name.removesuffix('_FILE')}`" in SETTINGS


def check_command(words: list[str]) -> None:
    """Check the words of a container or a unit: `waypost-server NAME ...`, or a module of the platform."""
    program, *rest = words
    if Path(program).name == "waypost-server":
        check_program(["manage.py", *rest])
    else:
        assert Path(program).name in ("python", "python3")
        check_program(rest)


@pytest.mark.parametrize("block", blocks_for("installed"), ids=str)
def test_command_of_the_page_exists_and_so_do_its_files(block: Block) -> None:
    for words in (shlex.split(line, comments=True) for line in block.text.splitlines()):
        if words[:1] == ["waypost-server"]:
            check_command(words)
        for path in (word for word in words if word.startswith("ops/")):
            assert (ROOT / path).exists()
        for unit in (word for word in words if word.startswith("waypost-deliver@")):
            assert (ROOT / "ops" / "systemd" / re.sub("@.*", "@.service", unit)).exists()


def test_settings_of_a_machine_are_those_of_the_reference() -> None:
    block = block_for("deployed-settings")
    names = re.findall(r"^([A-Z_]+)=", block.text, re.MULTILINE)
    assert [name for name in names if not is_setting(name)] == []
    for command in re.findall(r"# \S*python3? (-c .*)$", block.text, re.MULTILINE):
        assert subprocess.check_output([sys.executable, *shlex.split(command)], text=True).strip()


def test_proxy_passes_on_what_the_platform_reads(tmp_path: Path) -> None:
    text = block_for("proxy").text
    assert set(re.findall(r"proxy_set_header (\S+)", text)) == {"Host", "X-Forwarded-Proto", "X-Forwarded-For"}
    if nginx := shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        plain = re.sub(r"^ *ssl_cert.*$", "", text.replace("443 ssl", "127.0.0.1:1"), flags=re.MULTILINE)
        path = tmp_path / "nginx.conf"
        path.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {plain} }}")
        done = subprocess.run([nginx, "-t", "-c", path], capture_output=True, text=True, check=False)
        assert "syntax is ok" in done.stderr, done.stderr


@pytest.mark.parametrize(("word", "mode"), [("pooler", "session"), ("transaction-pooler", "transaction")])
def test_mode_of_the_pooler_is_the_one_that_the_page_names(word: str, mode: str) -> None:
    found = configparser.ConfigParser()
    found.read_string(block_for(word).text)
    assert found["pgbouncer"]["pool_mode"] == mode
    limit = re.search(r"statement_timeout = (\d+)", found["databases"]["waypost"])
    assert (int(limit[1]) if limit else None) == {
        "session": None,
        "transaction": 15_000,
    }[mode]


def test_addresses_of_pooler_and_server_are_accepted(tmp_path: Path) -> None:
    given = dict(re.findall(r"^([A-Z_]+)=(\S+)", block_for("pooled-settings").text, re.MULTILINE))
    done = manage(tmp_path, "diffsettings", **given)
    assert done.returncode == 0, done.stderr
    shown = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    assert (
        "db.internal" in shown["DATABASES"],
        "pooler.internal" in shown["DATABASES"],
    ) == (True, False)
    assert "pooler.internal" in shown["WAYPOST_POOLED_DATABASE"]
    alone = manage(
        tmp_path,
        "diffsettings",
        WAYPOST_DIRECT_DATABASE_URL=given["WAYPOST_DIRECT_DATABASE_URL"],
    )
    assert "WAYPOST_DIRECT_DATABASE_URL is the address behind the pooler" in alone.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_of_systemd_is_valid_and_starts_a_command_that_exists(path: Path, tmp_path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(path.read_text())
    words = shlex.split(unit["Service"]["ExecStart"].replace("%i", "1").replace("%H", "host"))
    check_command(words)
    assert [it for it in re.findall(r"([A-Z_]+)=", unit["Service"]["Environment"]) if not is_setting(it)] == []
    if program := shutil.which("systemd-analyze"):
        copy = tmp_path / path.name
        copy.write_text(path.read_text().replace(words[0], sys.executable))
        done = subprocess.run([program, "verify", copy], capture_output=True, text=True, check=False)
        assert path.name not in done.stderr, done.stderr


def test_image_is_built_from_files_that_exist_and_starts_a_command_that_exists() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copies = [line.split() for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = [word for words in copies for word in words[1:-1]]
    assert [it for it in copied if not (ROOT / it).exists()] == []
    kept = [it.removeprefix("!") for it in (ROOT / ".dockerignore").read_text().splitlines() if it.startswith("!")]
    assert sorted(copied) == sorted(kept)
    entry, command = (
        json.loads(next(line for line in lines if line.startswith(word)).partition(" ")[2])
        for word in ("ENTRYPOINT", "CMD")
    )
    check_command([*entry, *command])
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]


def test_services_of_compose_start_commands_that_exist_with_settings_of_the_reference() -> None:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    for name in ("waypost", "worker"):
        service = composed["services"][name]
        assert [it for it in service["environment"] if not is_setting(it)] == []
        assert set(service["secrets"]) <= composed["secrets"].keys()
        if "entrypoint" in service:
            check_command([*service["entrypoint"], *service["command"]])
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / "ops" / "compose" / "env.example").read_text(), re.MULTILINE))
    assert named <= set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))


def test_secrets_of_compose_are_accepted(tmp_path: Path) -> None:
    lines = block_for("compose").text.splitlines()
    own = [line for line in lines if "secrets/" in line or line.startswith("mkdir")]
    subprocess.run(["bash", "-euc", "\n".join(own)], cwd=tmp_path, check=True)
    files = {
        f"{name.upper()}_FILE": str(tmp_path / "secrets" / path)
        for name, path in (
            ("secret_key", "secret_key"),
            ("waypost_encryption_keys", "encryption_keys"),
            ("database_url", "database_url"),
        )
    }
    given = {"WAYPOST_ENV": "production", "PUBLIC_URL": "https://hooks.example.com", **files}
    done = manage(tmp_path, "diffsettings", **given)
    assert done.returncode == 0, done.stderr
    assert "'HOST': 'postgres'" in done.stdout
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert {it.name for it in (tmp_path / "secrets").iterdir()} == composed["secrets"].keys()


def test_values_of_the_chart_are_known() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    words = shlex.split(block_for("chart").text.replace("\\\n", " "))
    assert (ROOT / words[3]).is_dir()
    for value in (words[at + 1] for at, word in enumerate(words) if word == "--set"):
        found: Any = values
        for name in value.partition("=")[0].split("."):
            found = found[name]
    assert [it for it in values["env"] if not is_setting(it)] == []
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"].keys() == {*values, "global"}  # which helm has for charts in charts


def test_programs_of_the_chart_exist() -> None:
    commands = [
        yaml.safe_load(re.sub(r"\{\{.*?\}\}", '"3"', line.strip().removeprefix("command: ")))
        for path in (CHART / "templates").glob("*.yaml")
        for line in path.read_text().splitlines()
        if line.strip().startswith("command: ")
    ]
    assert len(commands) == 3
    for words in commands:
        check_command([str(word) for word in words])
