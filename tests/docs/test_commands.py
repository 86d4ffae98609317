"""Commands of the pages that start programs: each reaches a program that exists and accepts its arguments.

What the programs do is tested where they are; here nothing is started that stays.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from django.core.management import get_commands, load_command_class
from django.test import Client

from benchmarks import __main__ as benchmarks
from benchmarks import compare
from config.celery import app
from tests.config.test_settings import manage
from tests.docs.blocks import ROOT, Block
from tests.docs.inventory import block_for, blocks_for
from tests.isolation import __main__ as isolation
from webhooks.kit.encryption import decrypt, encrypt

DRY = 'make() { command make --no-print-directory --dry-run --always-make -o .venv/bin/python "$@"; }\n'
SETTING = re.compile(r"^([A-Z][A-Z_]+)=(\S+)", re.MULTILINE)


def commands_of(block: Block) -> list[list[str]]:
    """Return the programs that a block of make would start, as their words."""
    environment = {**os.environ, "BASE": "HEAD"}
    done = subprocess.run(
        ["bash", "-euc", DRY + block.text], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (block, done.stderr)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    found = [shlex.split(line.removeprefix("@")) for line in lines if " manage.py " in line or " -m " in line]
    return [words for words in found if "pip" not in words and "venv" not in words]


@pytest.mark.parametrize("block", blocks_for("make"), ids=str)
def test_make_command_of_a_page_reaches_a_program_that_accepts_it(block: Block) -> None:
    found = commands_of(block)
    assert len(found) == len(re.findall(r"(?<!`)\bmake (?:[a-z]|ARGS)", re.sub(r"#.*", "", block.text)))
    for words in found:
        check_program(words[next(at for at, word in enumerate(words) if word.endswith("python")) + 1 :])
    for name, _ in re.findall(r"\b([A-Z][A-Z_]+)=(\S+) (?=.*make)", block.text):
        assert name.startswith(("WAYPOST_", "PYTHONPATH")), name


def check_program(words: list[str]) -> None:
    """Parse the arguments of a Python program as it does, without running it."""
    match words:
        case ["manage.py", name, *arguments]:
            load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)
        case ["-m", "pytest", *arguments]:
            paths = [it for it in arguments if it.startswith("tests")]
            assert [it for it in paths if not (ROOT / it).exists()] == []
        case ["-m", "benchmarks", *arguments]:
            if arguments != ["--help"]:
                benchmarks._parser().parse_args(arguments)
        case ["-m", "benchmarks.compare", *arguments]:
            compare._parser().parse_args(arguments)
        case ["-m", "tests.isolation", *arguments]:
            isolation.available(isolation.parser().parse_args(arguments).only)
        case ["-m", "config.web" | "config.worker" | "celery" as module, *arguments]:
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments, "--help"], cwd=ROOT, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        case _:
            raise AssertionError(f"no rule for {words}")


def test_settings_of_the_page_for_production_are_accepted(tmp_path: Path) -> None:
    given = dict(SETTING.findall(block_for("production").text))
    given |= {"SECRET_KEY": "s" * 50, "WAYPOST_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    done = manage(tmp_path, "diffsettings", **given)
    assert done.returncode == 0, done.stderr
    shown = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    assert given["PUBLIC_URL"] in shown["PUBLIC_URL"]
    assert "db.example.com" in shown["DATABASES"]
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert [name for name in given if f"`{name}`" not in page] == []


def test_settings_of_the_page_for_traces_are_accepted(tmp_path: Path) -> None:
    given = dict(SETTING.findall(block_for("traces").text))
    done = manage(tmp_path, "diffsettings", **given)
    assert done.returncode == 0, done.stderr
    shown = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    assert (shown["WAYPOST_TRACES"].split()[0], "{trace_id}" in shown["WAYPOST_TRACE_URL"]) == ("0.1", True)


def test_generating_commands_of_the_page_for_production_print_what_they_say() -> None:
    commands = re.findall(r"# (python -c .*)$", block_for("production").text, re.MULTILINE)
    printed = [subprocess.check_output([sys.executable, *shlex.split(it)[1:]], text=True) for it in commands]
    assert len(printed[0].strip()) == 64
    assert Fernet(printed[1].strip())


def test_encryption_keys_of_the_page_decrypt_with_both(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.WAYPOST_ENCRYPTION_KEYS = [old]
    kept = encrypt("secret")
    _, _, text = block_for("encryption-keys").text.strip().partition("=")
    settings.WAYPOST_ENCRYPTION_KEYS = [{"NEW": new, "OLD": old}[it] for it in text.split(",")]
    assert decrypt(kept) == "secret"
    assert Fernet(new).decrypt(encrypt("other")) == b"other"


def test_program_for_a_container_is_one_that_exists() -> None:
    lines = [shlex.split(line, comments=True) for line in block_for("programs").text.splitlines()]
    assert len(lines) == 5
    for program, *words in lines:
        assert program == "python"
        check_program(words)
    served = {it["options"]["queue"] if "options" in it else "default" for it in app.conf.beat_schedule.values()}
    assert {words[words.index("-Q") + 1] for words in lines if "-Q" in words} == {"delivery", "default"} >= served


@pytest.mark.django_db
def test_alert_names_metrics_that_are_served() -> None:
    alerts = yaml.safe_load(block_for("alerts").text)
    served = Client().get("/metrics").content.decode()
    for alert in alerts:
        metric, _, _ = alert["expr"].split()
        assert f"\n{metric} " in served, metric
