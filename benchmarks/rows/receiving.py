"""Receive many small messages: kept only, or handled while the next ones arrive."""

import time

from benchmarks.bench import SIZE, Bench, all_have_status, latency_of, rate
from benchmarks.meter import Meter
from benchmarks.result import Check, Result
from benchmarks.wire.messages import signed
from benchmarks.wire.programs import Response
from webhooks.wire.ids import public

CONNECTIONS = 8
REPEATS = 200  # messages that are sent a second time
SECRET = "whsec_QmVuY2htYXJrcyBhcmUgbm90IHNlY3JldHMsIHRoaXMgb25lIGVpdGhlcg=="
KEPT = "SELECT count(*) FROM webhooks_receipt"
DUE = "SELECT count(*) FROM webhooks_receipt WHERE due_at IS NOT NULL"
HANDLED = """SELECT count(*) FROM webhooks_receipt WHERE handled_by = '["log"]'"""
LAST_HANDLED = "SELECT extract(epoch FROM max(processed_at)) FROM webhooks_receipt"


def receive(bench: Bench) -> Result:
    """Receive messages signed after Standard Webhooks, at a source without handlers."""
    path = create_source(bench, scheme="standard", secret=SECRET)
    requests = [signed(path, SECRET, number, SIZE) for number in range(bench.size(6_000, 40_000))]
    with bench.meter() as meter:
        responses = bench.send(requests, connections=CONNECTIONS)
    due = bench.deployment.number(DUE)
    result = result_of(responses, meter).aim_at_least(2_000)
    result.checks += [*_checks(bench, requests), Check("nothing is due for a handler", due == 0, f"{due} due")]
    return result


def receive_handled(bench: Bench) -> Result:
    """Receive the same at a source with the handler `log`; the rate is from the first request to the last handled."""
    path = create_source(bench, scheme="standard", secret=SECRET, handlers=[{"handler": "log"}])
    requests = [signed(path, SECRET, number, SIZE) for number in range(bench.size(6_000, 40_000))]
    with bench.meter() as meter:
        responses = bench.send(requests, connections=CONNECTIONS)
        bench.wait("messages to handle", lambda: bench.deployment.number(DUE), lambda due: due == 0)
    seconds = float(bench.deployment.sql(LAST_HANDLED)[0][0]) - min(response.sent for response in responses) / 1e9
    handled = bench.deployment.number(HANDLED)
    result = result_of(responses, meter)
    result.notes = [f"{result.rate:,.0f}/s stored and responded to; the rate of the row is that of the handled ones"]
    result.rate = len(requests) / seconds
    result.aim_at_least(2_000)
    once = Check("every message was handled once", handled == len(requests), f"{handled} of {len(requests)}")
    result.checks += [*_checks(bench, requests), once]
    return result


def create_source(bench: Bench, **fields: object) -> str:
    """Create a source; return the path that senders use."""
    uid = f"bench-{time.time_ns()}"
    bench.create("sources/", {"uid": uid, **fields})
    [(key,)] = bench.deployment.sql("SELECT id FROM webhooks_source WHERE uid = %s", uid)
    return f"/in/{public('src', key)}/"


def result_of(responses: list[Response], meter: Meter) -> Result:
    """Return the result; latency is that of the response."""
    per_second = rate(responses, min(response.sent for response in responses))
    checks = [all_have_status(responses)]
    return Result(len(responses), per_second, latency_of(responses), meter.cost, checks, "requests")


def repeat_checks(kept: int, requests: list[bytes], repeats: list[Response]) -> list[Check]:
    """Check that each message was kept once, and that repeats were responded to with 200."""
    return [
        Check("every message was kept once", kept == len(requests), f"{kept} of {len(requests)}"),
        all_have_status(repeats, 200),
    ]


def _checks(bench: Bench, requests: list[bytes]) -> list[Check]:
    repeats = bench.send(requests[:REPEATS])
    return repeat_checks(bench.deployment.number(KEPT), requests, repeats)
