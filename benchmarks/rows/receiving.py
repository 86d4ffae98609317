"""Receive many small messages: kept only, or handled while the next ones arrive."""

from collections.abc import Callable
from typing import Any

from benchmarks.bench import SIZE, Bench, all_have_status, counted, first_request, latency_of, rate
from benchmarks.result import Check, Result
from benchmarks.wire.messages import SECRET, signed
from benchmarks.wire.programs import Response

CONNECTIONS = 8
REPEATS = 200  # messages that are sent a second time
DUE = "SELECT count(*) FROM webhooks_receipt WHERE due_at IS NOT NULL"
HANDLED = """SELECT count(*) FROM webhooks_receipt WHERE handled_by = '["log"]'"""
LAST_HANDLED = "SELECT extract(epoch FROM max(processed_at)) FROM webhooks_receipt"


def receive(bench: Bench) -> Result:
    """Receive messages signed after Standard Webhooks, at a source without handlers."""
    _, result = _receive(bench)
    if not bench.system.is_usual:
        due = bench.system.number(DUE)
        result.checks.append(Check("nothing is due for a handler", due == 0, f"{due} due"))
    return result


def receive_handled(bench: Bench) -> Result:
    """Receive the same at a source with the handler `log`; the rate is from the first request to the last handled."""

    def await_handled() -> None:
        bench.wait("messages to handle", lambda: bench.system.number(DUE), lambda due: due == 0)

    responses, result = _receive(bench, await_handled, handlers=[{"handler": "log"}])
    seconds = float(bench.system.sql(LAST_HANDLED)[0][0]) - first_request(responses) / 1e9
    result.notes = [f"{result.rate:,.0f}/s stored and responded to; the rate of the row is that of the handled ones"]
    result.rate = result.count / seconds
    result.checks.append(counted("every message was handled once", bench.system.number(HANDLED), result.count))
    return result


def _receive(
    bench: Bench, await_end: Callable[[], None] = lambda: None, **source: Any
) -> tuple[list[Response], Result]:
    """Send messages, some of them again, with a meter until `await_end` returns; latency is that of the response."""
    path = bench.system.create_source(SECRET, **source)
    requests = [signed(path, SECRET, number, SIZE) for number in range(bench.size(6_000, 40_000))]
    with bench.meter() as meter:
        responses = bench.send(requests, connections=CONNECTIONS)
        await_end()
    repeats = bench.send(requests[:REPEATS])
    checks = [
        all_have_status(responses),
        counted("every message was kept once", bench.system.received(), len(requests)),
        all_have_status(repeats, 200),
    ]
    per_second = rate(responses, first_request(responses))
    return responses, Result(len(responses), per_second, latency_of(responses), meter.cost, checks, "requests")
