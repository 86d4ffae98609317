"""Test the supervisor: restarts, the stop of the platform in a crash loop, and that no process is left."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.local import supervise
from config.local.process_guard import FAMILY, ProcessGuard, is_over
from config.local.supervise import Child, CrashLoop, Supervisor

SLEEP = "import time; time.sleep(600)"
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
PRINTS_AND_IGNORES_SIGTERM = f"{IGNORES_SIGTERM} print('up', flush=True); {SLEEP}"


def child(name: str, program: str, stage: int = 1, stop_within: float = 10.0) -> Child:
    return Child(name, [sys.executable, "-c", program], stage, stop_within)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def start(*children: Child) -> Supervisor:
        started.append(Supervisor(list(children), ProcessGuard(str(tmp_path))))
        started[-1].start()
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.stop()


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def pid(one: Child) -> int:
    assert one.process
    return one.process.pid


def test_child_that_exits_is_restarted(run: Callable[..., Supervisor]) -> None:
    one = child("one", SLEEP)
    supervisor = run(one)
    first = pid(one)
    os.kill(first, 9)
    until(lambda: supervisor.check() or (one.process and one.process.pid != first))
    assert psutil.Process(pid(one)).is_running()


def test_crash_loop_raises_an_error_that_names_the_child(
    run: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_RESTART_DELAY", 0.01)
    supervisor = run(child("fine", SLEEP), child("broken", "raise SystemExit(3)"))
    with pytest.raises(CrashLoop, match=r"broken.*status 3"):
        until(supervisor.check)


def test_restart_delay_doubles_with_each_early_exit_and_a_healthy_run_resets_the_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = child("one", SLEEP)
    pauses = []
    for _ in range(supervise.MAX_EARLY_EXITS - 1):
        one.started_at = 100.0
        one.record_exit(now=101.0)
        pauses.append(one.restart_at - 101.0)
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    one.record_exit(now=100.0 + supervise.HEALTHY_AFTER)
    assert one.early_exits == 1


def test_child_that_is_killed_again_and_again_is_restarted_each_time(
    run: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_RESTART_DELAY", 0.01)
    one = child("one", SLEEP)
    supervisor = run(one)
    killed = set()
    while len(killed) <= supervise.MAX_EARLY_EXITS:
        killed.add(pid(one))
        os.kill(pid(one), 9)
        until(lambda: supervisor.check() or (one.process and one.process.pid not in killed))
    assert psutil.Process(pid(one)).is_running()


def test_stop_ends_children_stage_by_stage(run: Callable[..., Supervisor], tmp_path: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "def stop(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop); print('up', flush=True); time.sleep(600)"
    )
    order = tmp_path / "order"
    children = [child(name, program, stage) for name, stage in (("web", 2), ("work", 1))]
    for one in children:
        one.command += [str(order), one.name]
    lines: list[str] = []
    supervisor = run()
    supervisor.children = children
    supervisor.print_line = lambda name, line: lines.append(name)  # type: ignore[method-assign]
    supervisor.start()
    until(lambda: supervisor.check() or len(lines) == 2)
    supervisor.stop()
    assert order.read_text() == "workweb"


def test_stop_kills_a_child_that_exceeds_its_time_with_its_descendants(run: Callable[..., Supervisor]) -> None:
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PRINTS_AND_IGNORES_SIGTERM!r}])"
    lines: list[str] = []
    one = child("one", IGNORES_SIGTERM + nested, stop_within=0.1)
    supervisor = run()
    supervisor.children = [one]
    supervisor.print_line = lambda name, line: lines.append(line)  # type: ignore[method-assign]
    supervisor.start()
    until(lambda: supervisor.check() or lines)
    family = [psutil.Process(pid(one)), *psutil.Process(pid(one)).children(recursive=True)]
    assert len(family) == 2
    supervisor.stop()
    psutil.wait_procs(family)
    assert not any(process.is_running() for process in family)


NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


def grandchild(one: Child) -> psutil.Process:
    until(lambda: psutil.Process(pid(one)).children())
    return psutil.Process(pid(one)).children()[0]


def test_orphans_of_an_exited_child_are_ended_before_it_is_restarted(run: Callable[..., Supervisor]) -> None:
    one = child("one", NESTED)
    supervisor = run(one, child("other", NESTED))
    orphan, spared = grandchild(one), grandchild(supervisor.children[1])
    first = pid(one)
    os.kill(first, 9)
    until(lambda: supervisor.check() or (one.process and one.process.pid != first))
    psutil.wait_procs([orphan])
    assert not orphan.is_running()
    assert spared.is_running()


def test_stop_ends_the_orphans_of_an_exit_that_was_not_recorded(run: Callable[..., Supervisor]) -> None:
    one = child("one", NESTED)
    supervisor = run(one)
    orphan = grandchild(one)
    os.kill(pid(one), 9)
    supervisor.stop()
    psutil.wait_procs([orphan])
    assert not orphan.is_running()


def test_end_leftovers_ends_orphans_of_a_killed_run(run: Callable[..., Supervisor]) -> None:
    one = child("one", NESTED)
    supervisor = run(one)
    orphan = grandchild(one)
    os.kill(pid(one), 9)
    assert one.process
    one.process.wait()
    assert supervise.end_leftovers(supervisor.guard.family) == 1
    psutil.wait_procs([orphan])
    assert not orphan.is_running()


def test_end_leftovers_ends_children_of_a_killed_run(run: Callable[..., Supervisor]) -> None:
    one = child("one", SLEEP)
    supervisor = run(one)
    until(lambda: FAMILY in psutil.Process(pid(one)).environ())  # it is empty for a moment after exec
    assert supervise.end_leftovers(supervisor.guard.family) == 1
    assert is_over(psutil.Process(pid(one)))
    assert supervise.end_leftovers(supervisor.guard.family) == 0


def test_line_is_prefixed_with_the_name_of_its_program(
    run: Callable[..., Supervisor], capsys: pytest.CaptureFixture[str]
) -> None:
    one = child("one", "print('first'); print('second')")
    supervisor = run(one, child("another", SLEEP))
    output = ""
    while output.count("\n") < 2:
        supervisor.check()
        output += capsys.readouterr().out
    assert output.splitlines()[:2] == ["one     | first", "one     | second"]
    assert supervisor.children[0] is one


def test_output_without_a_final_newline_is_printed_when_the_program_exits(
    run: Callable[..., Supervisor], capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = run(child("one", "import sys; sys.stdout.write('last words')"))
    output = ""
    while "exited" not in output:
        supervisor.check()
        output += capsys.readouterr().out
    assert output.splitlines() == ["one | last words", "up  | one exited with status 0"]
