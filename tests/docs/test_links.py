"""Check the links of all pages, the list of all pages, and the files that the map of the code names."""

import re
from pathlib import Path

import pytest

from webhooks import receiving

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
MAP = ROOT / "docs" / "where-is.md"
WALK_STEP = re.compile(r"^\| (\d) \| `([\w/.]+)` \|", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as links write them."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_link_of_a_page_has_a_target(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_page_is_in_the_list_of_all_pages() -> None:
    listed = {(ROOT / "docs" / link).resolve() for link in LINK.findall((ROOT / "docs" / "pages.md").read_text())}
    assert set(PAGES) - listed == {ROOT / "docs" / "pages.md"}


def test_file_named_in_the_map_of_the_code_exists() -> None:
    named = re.findall(r"`((?:webhooks|subscriptions|delivery|config|tests)/[\w/.]+)`", MAP.read_text())
    assert len(named) > 30
    for name in named:
        assert (ROOT / name).exists(), name


def walks() -> list[list[str]]:
    """Return the files of each numbered walk in the map of the code, in order."""
    found: list[list[str]] = []
    for number, name in WALK_STEP.findall(MAP.read_text()):
        if number == "1":
            found.append([])
        found[-1].append(name)
        assert int(number) == len(found[-1]), name
    return found


def test_walk_from_publish_to_settle_has_at_most_eight_files() -> None:
    publish, _ = walks()
    assert publish[0].startswith("delivery/api/publishing/")
    assert len(set(publish)) == len(publish) <= 8


def test_walk_of_a_received_message_is_the_one_its_package_lists() -> None:
    _, receive = walks()
    listed = re.findall(r"^\d\. ``([\w.]+)``", receiving.__doc__ or "", re.MULTILINE)
    assert len(listed) <= 5
    assert [Path(name).stem for name in receive] == [name.rpartition(".")[2] for name in listed]
