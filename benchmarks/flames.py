"""Where time goes while a row is measured: py-spy beside the web and the drains, and the server's costliest statements.

For each measured stretch three files: flame graphs of both programs (time on a processor, all their processes
together) and a table of statements. The embedded PostgreSQL comes without pg_stat_statements; the same is counted
from its log, which holds every statement then. All of that costs time: the figures of such a run are no figures.
"""

import platform
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.instruments import Start
from benchmarks.statements import Top

__all__ = ["MOST", "Flames", "reason"]

PROGRAMS = ("web", "deliver")
RATE = 100  # looks per second
MOST = 25  # statements
WRITE_WITHIN = 60.0  # seconds
WIDEST = 400  # characters of a statement


class Flames:
    """``begin`` and ``stop`` around each measured stretch; ``notes`` says where its files are, or why there are none."""

    def __init__(self, start: Start, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._start = start
        self._directory = directory
        self._program = _program()
        self._running: list[tuple[Path, subprocess.Popen[Any]]] = []
        self._stretches: Counter[str] = Counter()
        self._row = ""
        self.notes: list[str] = []

    def enter(self, row: str) -> None:
        """What begins now belongs to this row."""
        self._row, self.notes = row, []

    def begin(self, roots: dict[str, int]) -> None:
        """``roots``: the first process of each program."""
        self._stretches[self._row] += 1
        if self._program is None:
            self.notes.append("no profile: py-spy is not installed (it is in requirements-dev.txt)")
            return
        for program in PROGRAMS:
            if program in roots:
                path = self._path(f"{program}.svg")
                self._running.append((path, self._spy(self._program, roots[program], path)))

    def stop(self, top: Sequence[Top]) -> None:
        for _, process in self._running:
            process.send_signal(signal.SIGINT)
        written = [path for path, process in self._running if self._is_written(path, process)]
        self._running.clear()
        path = self._path("statements.md")
        path.write_text(_table(top))
        self.notes.append(f"profile: {', '.join(one.name for one in (*written, path))} in {self._directory}")

    def _path(self, name: str) -> Path:
        number = self._stretches[self._row]
        return self._directory / f"{self._row}{'' if number == 1 else f'-{number}'}-{name}"

    def _spy(self, program: str, pid: int, path: Path) -> "subprocess.Popen[Any]":
        command = [program, "record", "--pid", str(pid), "--subprocesses", "--rate", str(RATE), "--nonblocking"]
        command += ["--format", "flamegraph", "--output", str(path)]
        return self._start(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _is_written(self, path: Path, process: "subprocess.Popen[Any]") -> bool:
        try:
            said = process.communicate(timeout=WRITE_WITHIN)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[1] or "it did not end"
        if path.exists():
            return True
        self.notes.append(f"no {path.name}: {reason(said)}")
        return False


def _program() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def reason(said: str) -> str:
    """Why py-spy wrote nothing, and what helps."""
    if "ermission" in said or "not permitted" in said.lower():
        how = "run it with sudo" if platform.system() == "Darwin" else "run as root, or set kernel.yama.ptrace_scope=0"
        return f"py-spy may not look into other processes here: {how} (a container needs the capability SYS_PTRACE)"
    return f"py-spy: {(said.strip().splitlines() or ['it said nothing'])[-1]}"


def _table(top: Sequence[Top]) -> str:
    whole = sum(one.milliseconds for one in top) or 1.0
    lines = [
        f"The {len(top)} statements that took the server longest, parsing and binding included.",
        "",
        "| ms | share of these | calls | us per call | statement |",
        "|---:|---:|---:|---:|---|",
    ]
    for one in top:
        text = one.text[:WIDEST].replace("|", "\\|").replace("`", "'")
        each = 1000 * one.milliseconds / max(one.calls, 1)
        share = 100 * one.milliseconds / whole
        lines.append(f"| {one.milliseconds:,.0f} | {share:.0f} % | {one.calls:,.0f} | {each:,.0f} | `{text}` |")
    return "\n".join([*lines, ""])
