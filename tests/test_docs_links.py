"""What the papers point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(paper: Path) -> set[str]:
    """The names of its headings, as they are linked to."""
    said = HEADING.findall(paper.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in said}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_link_leads_somewhere(paper: Path) -> None:
    text = re.sub(r"```.*?```", "", paper.read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (paper.parent / file).resolve() if file else paper
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_paper_is_on_the_front_page() -> None:
    front = (ROOT / "README.md").read_text()
    for paper in PAPERS:
        name = str(paper.relative_to(ROOT))
        assert name == "README.md" or f"({name})" in front, name


def test_every_file_that_the_front_page_names_is_there() -> None:
    front = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:webhooks|subscriptions|delivery|config|tests)/[\w/.]+)`", front)
    assert len(named) > 30
    for name in named:
        assert (ROOT / name).exists(), name
