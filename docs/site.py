"""Build the site of the documentation, around the program that makes pages of Markdown.

    python docs/site.py pages FOLDER      copy what the site is built from
    python docs/site.py offline SITE      have the finished site fetch nothing from the network

The README becomes the first page, and the papers beside it pages too, so no link leaves the site but to code.
Links to files that are no pages become plain text. docs/assets has the one script that pages would fetch, so that the
search works in pages opened as files too.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAPERS = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
SHIM = "https://unpkg.com/iframe-worker/shim"
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def copy_pages(target: Path) -> None:
    """Copy all pages, with their links turned to where they are in the site."""
    shutil.copytree(ROOT / "docs", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    places = {ROOT / name: target / page for name, page in PAPERS.items()}
    places |= {path: target / path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*") if path.is_file()}
    for path, page in places.items():
        if path.suffix == ".md":
            page.write_text(_turned(path, page, places))


def _turned(path: Path, page: Path, places: dict[Path, Path]) -> str:
    """Return the text of a page, in which links between pages lead to their new places; code is left as it is."""

    def turn(found: re.Match[str]) -> str:
        name, _, anchor = found[2].partition("#")
        if not name or ":" in name:
            return found[0]
        to = places.get((path.parent / name).resolve())
        if to is None:
            return found[1]
        return f"[{found[1]}]({os.path.relpath(to, page.parent)}{'#' if anchor else ''}{anchor})"

    text, end, parts = path.read_text(), 0, []
    for code in FENCE.finditer(text):
        parts += [LINK.sub(turn, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, LINK.sub(turn, text[end:])])


def take_offline(site: Path) -> None:
    """Have the pages of a built site load the script for the search from the site."""
    for page in site.rglob("*.html"):
        own = os.path.relpath(site / "assets" / "iframe-worker.js", page.parent)
        page.write_text(page.read_text().replace(SHIM, own))


if __name__ == "__main__":
    {"pages": copy_pages, "offline": take_offline}[sys.argv[1]](Path(sys.argv[2]))
