"""Receive many small messages: kept only, or handled while the next ones arrive."""

from benchmarks.bench import SIZE, Bench, all_have_status, first_request, latency_of, rate
from benchmarks.meter import Meter
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
    path = bench.system.create_source(SECRET)
    requests = [signed(path, SECRET, number, SIZE) for number in range(bench.size(6_000, 40_000))]
    with bench.meter() as meter:
        responses = bench.send(requests, connections=CONNECTIONS)
    result = _result(responses, meter)
    result.checks += _checks(bench, requests)
    if not bench.system.is_usual:
        due = bench.system.number(DUE)
        result.checks.append(Check("nothing is due for a handler", due == 0, f"{due} due"))
    return result


def receive_handled(bench: Bench) -> Result:
    """Receive the same at a source with the handler `log`; the rate is from the first request to the last handled."""
    path = bench.system.create_source(SECRET, handlers=[{"handler": "log"}])
    requests = [signed(path, SECRET, number, SIZE) for number in range(bench.size(6_000, 40_000))]
    with bench.meter() as meter:
        responses = bench.send(requests, connections=CONNECTIONS)
        bench.wait("messages to handle", lambda: bench.system.number(DUE), lambda due: due == 0)
    seconds = float(bench.system.sql(LAST_HANDLED)[0][0]) - first_request(responses) / 1e9
    handled = bench.system.number(HANDLED)
    result = _result(responses, meter)
    result.notes = [f"{result.rate:,.0f}/s stored and responded to; the rate of the row is that of the handled ones"]
    result.rate = len(requests) / seconds
    once = Check("every message was handled once", handled == len(requests), f"{handled} of {len(requests)}")
    result.checks += [*_checks(bench, requests), once]
    return result


def _result(responses: list[Response], meter: Meter) -> Result:
    """Return the result; latency is that of the response."""
    per_second = rate(responses, first_request(responses))
    checks = [all_have_status(responses)]
    return Result(len(responses), per_second, latency_of(responses), meter.cost, checks, "requests")


def _checks(bench: Bench, requests: list[bytes]) -> list[Check]:
    repeats, kept = bench.send(requests[:REPEATS]), bench.system.received()
    return [
        Check("every message was kept once", kept == len(requests), f"{kept} of {len(requests)}"),
        all_have_status(repeats, 200),
    ]
