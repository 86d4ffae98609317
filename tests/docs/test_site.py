"""Build the site of the documentation: every page is in its navigation, and no link in it leads nowhere."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.docs.blocks import ROOT

PAPERS = {"index.md", "changelog.md", "contributing.md"}


def pages_of(entry: object) -> list[str]:
    """Return the pages below an entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    return [page for it in (entry.values() if isinstance(entry, dict) else entry) for page in pages_of(it)]  # type: ignore[attr-defined]


def test_every_page_is_in_the_navigation_once() -> None:
    found = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text().split("\nnav:")[1].join(["nav:", ""]))["nav"])
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(found) == sorted(written | PAPERS)


def test_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    (tmp_path / "mkdocs.yml").write_text(config)
    for command in (
        [sys.executable, str(ROOT / "docs" / "site.py"), "pages", ".site"],
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict"],
        [sys.executable, str(ROOT / "docs" / "site.py"), "offline", "site"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        assert '<script src="http' not in page.read_text()
        assert '<link rel="stylesheet" href="http' not in page.read_text()
    assert (tmp_path / "site" / "assets" / "iframe-worker.js").exists()
    assert "dead letter" in (tmp_path / "site" / "search.js").read_text()
