"""Check that retired terms stay retired: `tests/words.txt` lists them with what to say instead."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("words.txt")
SUFFIXES = {".py", ".md", ".html", ".css", ".js", ".sql", ".toml", ".yml", ".txt", ".c", ""}
EXEMPT = {
    "tests/words.txt",
    "tests/test_docstrings.py",
    "CHANGELOG.md",
    "requirements.txt",
    "requirements-dev.txt",
    "STYLE.md",
    "docs/glossary.md",
}


def retired() -> dict[str, str]:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in lines)


def texts() -> dict[str, str]:
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    paths = [name for name in listed if name not in EXEMPT and not name.startswith("tests/vectors/")]
    return {
        name: (ROOT / name).read_text() for name in paths if Path(name).suffix in SUFFIXES and (ROOT / name).is_file()
    }


TEXTS = texts()


@pytest.mark.parametrize(("term", "instead"), retired().items())
def test_retired_term_is_used_nowhere(term: str, instead: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{term})(?![A-Za-z0-9])", re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], f"say {instead} instead"


def test_word_list_names_a_replacement_for_every_term() -> None:
    assert all(retired().values())
    assert len(retired()) > 20
