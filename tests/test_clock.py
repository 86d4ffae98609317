"""No test reads the clock when it is collected: by the time that it runs, the hour or the day may be another one."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLOCKS = {"now", "utcnow", "today", "localdate", "localtime", "gmtime", "ctime", "time", "time_ns"}
CLOCKS |= {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "time_of_test"}
TIMES = {"datetime", "date", "float", "int"}  # what functions return that say what a clock says
Function = ast.FunctionDef | ast.AsyncFunctionDef


def at_import(node: ast.AST) -> Iterator[ast.Call]:
    """Return the calls that a module makes when it is imported: not those of functions, but of their defaults."""
    if isinstance(node, Function):
        inner: list[ast.AST] = [*node.decorator_list, node.args]
    elif isinstance(node, ast.Lambda):
        inner = [node.args]
    else:
        inner = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.Call):
        yield node
    for it in inner:
        yield from at_import(it)


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def reads_clock(call: ast.Call) -> bool:
    """Return whether a call asks for the time; ``time(12, 30)`` makes one, and ``now(UTC)`` asks."""
    return name_of(call) in CLOCKS and (name_of(call) != "time" or not call.args)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def names_called(function: Function) -> set[str]:
    """Return the names of what a function calls, and ``now`` for any clock."""
    calls = [it for statement in function.body for it in ast.walk(statement) if isinstance(it, ast.Call)]
    return {"now" if reads_clock(it) else name_of(it) for it in calls}


@cache
def readers(path: Path) -> frozenset[str]:
    """Return the functions, a module's own and those that it imports of tests, that return what a clock says."""
    if not path.exists():  # a package
        return frozenset()
    found, called = {"now"}, {}
    for it in parsed(path).body:
        if isinstance(it, ast.ImportFrom) and (it.module or "").startswith("tests."):
            others = readers(ROOT / f"{it.module.replace('.', '/')}.py")
            found |= {alias.asname or alias.name for alias in it.names if alias.name in others}
        elif isinstance(it, Function) and (it.returns is None or ast.unparse(it.returns) in TIMES):
            called[it.name] = names_called(it)
    while more := {name for name, names in called.items() if name not in found and found & names}:
        found |= more
    return frozenset(found)


def readings(tree: ast.Module, functions: frozenset[str] = frozenset()) -> list[str]:
    """Return where a module reads the clock at import, itself or by one of these functions."""
    found = [it for it in at_import(tree) if reads_clock(it) or name_of(it) in functions]
    return [f"line {it.lineno}: {ast.unparse(it)}" for it in found]


@pytest.mark.parametrize(
    "source",
    [
        "NOW = datetime.now(UTC)",
        "TODAY: date = date.today()",
        "class A:\n    at = time.time()",
        "class A:\n    def f(self, at=timezone.now()): ...",
        "def f(*, at=[time_ns()]): ...",
        "f = lambda at=monotonic(): at",
        "@pytest.mark.parametrize('at', [{'a': timezone.now() + HOUR}])\ndef test(at): ...",
        "if True:\n    TIMES = [time_of_test() for _ in range(3)]",
    ],
)
def test_clock_at_import_is_found(source: str) -> None:
    assert len(readings(ast.parse(source))) == 1


@pytest.mark.parametrize("source", ["NOON = time(12, 30)", "def f(): return time.time()", "f = lambda: monotonic()"])
def test_clock_of_a_function_is_left(source: str) -> None:
    assert readings(ast.parse(source)) == []


def test_clock_at_import_is_found_behind_a_function(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def f() -> float:\n    return time.time()\n\ndef g() -> float:\n    return f()\n\nT = g()"
    )
    assert readings(parsed(tmp_path / "a.py"), readers(tmp_path / "a.py")) == ["line 7: g()"]


def test_no_test_reads_the_clock_at_import() -> None:
    """A test that needs the time takes ``time_of_test()``, and parameters take a timedelta (see ``from_now``)."""
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in (ROOT / "tests").rglob("*.py")
        if (lines := readings(parsed(path), readers(path)))
    }
    assert found == {}
