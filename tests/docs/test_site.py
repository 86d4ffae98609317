"""Build the site of the documentation: pages are in its navigation, links lead somewhere, diagrams are drawn.

What is left out without npm or a browser: the script of the diagrams, and drawing them.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT

SITE = ROOT / "docs" / "site.py"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DIAGRAMS = ("why/architecture.html", "why/how-a-drain-works.html")
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    for command in (
        [sys.executable, str(SITE), "pages", ".site"],
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict"],
        [sys.executable, str(SITE), "offline", "site"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_site_fetches_nothing(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert '<script src="http' not in page.read_text()
        assert '<link rel="stylesheet" href="http' not in page.read_text()
    assert [it for it in (site / "assets" / "javascripts").glob("*.js") if "unpkg.com/mermaid" in it.read_text()] == []
    assert (site / "assets" / "iframe-worker.js").exists()
    assert "dead letter" in (site / "search.js").read_text()


@pytest.mark.parametrize("page", DIAGRAMS if shutil.which("npm") else [])
def test_page_with_a_diagram_has_the_script_that_draws_it(site: Path, page: str) -> None:
    text = (site / page).read_text()
    assert '<script src="../assets/mermaid/mermaid.min.js"></script>' in text
    assert (site / "assets" / "mermaid" / "mermaid.min.js").stat().st_size > 1_000_000
    assert "MIT" in (site / "assets" / "mermaid" / "LICENSE").read_text()


def test_only_pages_with_diagrams_load_the_script_for_them(site: Path) -> None:
    with_source = {str(it.relative_to(site)) for it in site.rglob("*.html") if 'class="mermaid"' in it.read_text()}
    with_script = {str(it.relative_to(site)) for it in site.rglob("*.html") if "mermaid.min.js" in it.read_text()}
    assert with_source == set(DIAGRAMS)
    assert with_script == (with_source if shutil.which("npm") else set())


@pytest.mark.parametrize("page", DIAGRAMS if BROWSER and shutil.which("npm") else [])
def test_diagrams_are_drawn_without_a_network(site: Path, page: str) -> None:
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom")
    lost = ("--host-resolver-rules=MAP * 127.0.0.1:1",)  # no name leads anywhere
    command = [str(BROWSER), *options, *lost, f"file://{site / page}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert '<div class="mermaid">' in done.stdout, done.stderr[-2000:]
    assert '<pre class="mermaid' not in done.stdout


def test_without_npm_diagrams_are_shown_as_their_source(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("mermaid"))
    for page in copy.rglob("*.html"):
        page.write_text(re.sub(r'<script src="[^"]*mermaid[^"]*"></script>', "", page.read_text()))
    command = [sys.executable, str(SITE), "offline", str(copy)]
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=True)
    assert "shown as their source" in done.stderr
    assert "mermaid.min.js" not in (copy / DIAGRAMS[0]).read_text()
    assert "graph BT" in (copy / DIAGRAMS[0]).read_text()
