"""Build the site of the documentation, around the program that makes pages of Markdown.

    python docs/site.py pages FOLDER      copy what the site is built from
    python docs/site.py offline SITE      have the finished site fetch nothing from the network

The README becomes the first page, and the papers beside it pages too, so no link leaves the site but to code.
Links to files that are no pages become plain text. docs/assets has the script of the search, which works in pages that
are opened as files too. Mermaid, which draws the diagrams, is taken from its package by npm; without npm they are shown
as their source.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAPERS = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
SHIM = "https://unpkg.com/iframe-worker/shim"
MERMAID = "12.3.0"
MERMAID_SHA256 = "336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3"
MERMAID_URL = re.compile(r"https://unpkg\.com/mermaid@[^\"']+")
DIAGRAM = 'class="mermaid"'
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
    """Have the pages of a built site load the scripts for the search and for diagrams from the site."""
    mermaid = _mermaid(site / "assets" / "mermaid") if shutil.which("npm") else None
    if mermaid is None:
        print("no npm here: the diagrams are shown as their source", file=sys.stderr)
    for script in (site / "assets" / "javascripts").glob("*.js"):
        script.write_text(MERMAID_URL.sub("", script.read_text()))
    for page in site.rglob("*.html"):
        text = page.read_text().replace(SHIM, os.path.relpath(site / "assets" / "iframe-worker.js", page.parent))
        if mermaid is not None and DIAGRAM in text:
            own = os.path.relpath(mermaid, page.parent)
            text = text.replace("</head>", f'<script src="{own}"></script></head>', 1)
        page.write_text(text)


def _mermaid(folder: Path) -> Path:
    """Copy the script of Mermaid from its package into a folder, with its licence; return its path."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        command = ["npm", "pack", "--silent", f"mermaid@{MERMAID}"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE)  # noqa: S603 (our own words)
        with tarfile.open(next(Path(work).glob("*.tgz"))) as package:
            for name in ("dist/mermaid.min.js", "LICENSE"):
                content = package.extractfile(f"package/{name}")
                (folder / Path(name).name).write_bytes(content.read() if content else b"")
    script = folder / "mermaid.min.js"
    found = sha256(script.read_bytes()).hexdigest()
    if found != MERMAID_SHA256:
        raise SystemExit(f"mermaid {MERMAID} has another checksum than the one in docs/site.py: {found}")
    return script


if __name__ == "__main__":
    {"pages": copy_pages, "offline": take_offline}[sys.argv[1]](Path(sys.argv[2]))
