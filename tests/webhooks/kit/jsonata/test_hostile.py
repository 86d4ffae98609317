"""Expressions of an attacker: each ends within its limits, and the next one of another tenant works."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from webhooks.kit.jsonata.evaluator import Evaluator, Request
from webhooks.kit.jsonata.evaluators import MAX_EVALUATORS, Evaluators, EvaluatorUnavailable
from webhooks.kit.jsonata.frames import MAX_RESULT, MEMORY, Operation, Outcome
from webhooks.kit.jsonata.transformer import MAX_SECONDS

GENEROUS = 30.0  # seconds; an evaluation that is not stopped takes minutes, or all memory
DOUBLING = "$reduce([1..60], function($a, $b) {{ {0} }}, 'x')"

HOSTILE = {
    "range": "$sum([1..10000000])",
    "ranges": "$count([1..10000000] ~> $map(function($i) { [1..10000000] }))",
    "pad": "$pad('x', 1000000000)",
    "pads": "$join([1..1000].$pad('x', 1000000))",
    "doubled text": DOUBLING.format("$a & $a"),
    "doubled objects": DOUBLING.format("{'a': $a, 'b': $a}"),
    "doubled lists": DOUBLING.format("[[$a], [$a]]"),
    "growing text": "$reduce([1..1000000], function($a, $b) { $a & 'xxxxxxxxxx' }, '')",
    "regular expression": "$match($pad('', 40, 'a') & 'b', /^(a+)+$/)",
    "regular expression of replace": "$replace($pad('', 40, 'a') & 'b', /^(a|a)*$/, 'x')",
    "regular expression of split": "$split($pad('', 40, 'a') & 'b', /^(a|aa)+$/)",
    "large regular expression": "$contains($pad('', 100000, 'a'), /(a{1,999}){1,999}b/)",
    "replacement": "$replace($pad('', 100000, 'a'), 'a', $pad('', 100000, 'b'))",
    "recursion": "($f := function($n) { 1 + $f($n + 1) }; $f(1))",
    "tail recursion": "($f := function($n) { $f($n + 1) }; $f(1))",
    "mutual recursion": "($f := function($n) { $g($n) & 'x' }; $g := function($n) { $f($n) & 'y' }; $f('z'))",
    "y combinator": "($y := function($f) { function($x) { $x($x) }"
    "(function($g) { $f(function($a) { ($g($g))($a) }) }) }; $y(function($f) { function($n) { $f($n) } })(1))",
    "composed functions": "($f := $reduce([1..100000], function($a, $b) { $a ~> $uppercase }, $lowercase); $f('x'))",
    "eval": "($s := '$eval($s)'; $eval($s))",
    "eval of a large text": "$eval($pad('1', 1000000, '+1'))",
    "sort": "$sort([1..100000], function($a, $b) { $a < $b })",
    "sort of itself": "$sort([1..300000].(-$))",
    "distinct": "$distinct([1..200000])",
    "product": "[1..3000].[1..3000]",
    "zip": "$zip([1..10000000], [1..10000000])",
    "descendants": "$reduce([1..30], function($a, $b) { [$a, $$.**] }, [])",
    "power": "$reduce([1..100000], function($a, $b) { $a * 10 }, 1)",
    "long number": "$number($pad('', 1000000, '9'))",
    "long integer": "$parseInteger($pad('', 1000000, '9'), '#0')",
    "format of a number": "$formatNumber(1, $pad('0', 1000000, '0'))",
    "format of a time": "$fromMillis(1, $pad('[Y]', 3000000, '[Y]'))",
    "year": "$fromMillis(1e300)",
    "deep result": "$reduce([1..100000], function($a, $b) { [[$a]] }, 1)",
    "merge": "$merge([1..1000000].{$string($): $})",
    "encoding": "$base64encode($pad('', 100000000, 'x'))",
    "update": "$reduce([1..100], function($a, $b) { $a ~> |**|{'x': $a}| }, $)",
}
UNPARSABLE = {
    "parentheses": "(" * 16_000,
    "lists": "[" * 16_000,
    "minus": "-" * 16_000 + "1",
    "objects": "{'a':" * 3_000,
    "functions": "function($a){" * 1_000,
    "conditions": "a?" * 8_000,
    "paths": "a." * 8_000,
    "regular expression": f"/{'(' * 8_000}/",
    "strings": "'" + "\\u0041" * 2_600,
}


@pytest.fixture(scope="module")
def evaluators() -> Iterator[Evaluators]:
    made = Evaluators()
    yield made
    made.close()


def evaluation(expression: str, document: object = None, seconds: float = MAX_SECONDS) -> Request:
    written = json.dumps(document or {"data": [1, 2]}).encode()
    return Request(Operation.EVALUATE, expression, "attacker", written, seconds)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_expression_ends_within_its_limits(name: str, evaluators: Evaluators) -> None:
    started = time.monotonic()
    reply = evaluators.evaluate(evaluation(HOSTILE[name]))
    assert len(reply.content) <= MAX_RESULT
    assert reply.seconds < 3 * MAX_SECONDS
    assert time.monotonic() - started < GENEROUS
    assert evaluators.evaluate(evaluation("1 + 1")).content == b"2"


@pytest.mark.parametrize("name", UNPARSABLE)
def test_hostile_text_is_refused_within_the_limits(name: str, evaluators: Evaluators) -> None:
    reply = evaluators.evaluate(Request(Operation.CHECK, UNPARSABLE[name], seconds=MAX_SECONDS))
    assert reply.outcome in {Outcome.INVALID, Outcome.TOO_LONG, Outcome.TOO_LARGE, Outcome.NOTHING}
    assert reply.seconds < 3 * MAX_SECONDS
    assert evaluators.evaluate(evaluation("1 + 1")).content == b"2"


def test_evaluator_takes_no_more_memory_than_its_limit() -> None:
    evaluator = Evaluator()
    assert evaluator.is_ready(GENEROUS)
    process = psutil.Process(evaluator._process.pid)
    before = process.memory_info().vms
    reply = evaluator.ask(evaluation("$join([1..100000].$pad('x', 10000))", seconds=5.0), GENEROUS)
    assert reply.outcome in {Outcome.TOO_LARGE, Outcome.FAILED}
    assert not process.is_running() or process.memory_info().vms <= before + MEMORY
    evaluator.close()


def test_evaluator_has_no_environment_and_no_files() -> None:
    evaluator = Evaluator()
    assert evaluator.is_ready(GENEROUS)
    pid = evaluator._process.pid
    names = {it.partition(b"=")[0] for it in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if it}
    assert names <= {b"PYTHONPATH", b"PYTHONSAFEPATH", b"LC_CTYPE"}
    process = psutil.Process(pid)
    assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_NOFILE) == (1, 1)
    evaluator.close()


def test_neighbour_is_served_while_an_attacker_uses_all_that_it_may(evaluators: Evaluators) -> None:
    ended = threading.Event()

    def attack() -> None:
        names = iter(list(HOSTILE) * 100)
        while not ended.is_set():
            evaluators.evaluate(evaluation(HOSTILE[next(names)]))

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        replies = [evaluators.evaluate(evaluation(f"{number} + 1")) for number in range(50)]
    finally:
        ended.set()
        attacker.join()
    assert [int(it.content) for it in replies] == list(range(1, 51))


class TestEvaluators:
    def test_request_that_cannot_wait_is_refused_until_an_evaluator_is_ready(self) -> None:
        made = Evaluators()
        with pytest.raises(EvaluatorUnavailable, match="not started"):
            made.evaluate_now(evaluation("1"))
        assert made.evaluate(evaluation("1")).content == b"1"
        assert made.evaluate_now(evaluation("2")).content == b"2"
        made.close()

    def test_no_more_evaluators_are_started_than_allowed(self) -> None:
        made = Evaluators()
        with made._place(0), made._place(0), pytest.raises(EvaluatorUnavailable, match="busy"):
            made.evaluate_now(evaluation("1"))
        threads = [threading.Thread(target=made.evaluate, args=(evaluation("$sum([1..1000])"),)) for _ in range(6)]
        for it in threads:
            it.start()
        for it in threads:
            it.join()
        assert len(made._idle) <= MAX_EVALUATORS
        made.close()

    def test_evaluator_that_was_killed_is_replaced(self) -> None:
        made = Evaluators()
        assert made.evaluate(evaluation("1")).content == b"1"
        made._idle[0]._process.kill()
        made._idle[0]._process.wait()
        assert made.evaluate(evaluation("2")).content == b"2"
        made.close()

    def test_evaluator_that_ended_because_it_was_idle_is_replaced_without_an_error(self) -> None:
        made = Evaluators()
        assert made.evaluate(evaluation("1")).content == b"1"
        idle = made._idle[0]
        idle._socket.shutdown(1)  # the end of its input, as after a long time without a request
        idle._process.wait()
        assert made.evaluate(evaluation("2")).content == b"2"
        made.close()

    def test_evaluator_ends_with_its_socket(self) -> None:
        evaluator = Evaluator()
        assert evaluator.is_ready(GENEROUS)
        evaluator._socket.close()
        assert evaluator._process.wait(GENEROUS) == 0
