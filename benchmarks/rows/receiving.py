"""Rows about the receiver: many small messages, kept for whoever will look, or handled while the next ones come."""

import time

from benchmarks.bench import SIZE, STUCK_AFTER, Bench, Stuck, all_answered
from benchmarks.figures import Aim, Check, Latency, Row
from benchmarks.frames import signed
from benchmarks.instruments import Answered
from benchmarks.meter import Meter

__all__ = ["REPEATS", "SECRET", "SENDERS", "address_of_source", "answer_rate", "receive", "receive_handled"]

SENDERS = 8  # connections
REPEATS = 200  # messages that are sent a second time
SECRET = "whsec_" + "QmVuY2htYXJrcyBhcmUgbm90IHNlY3JldHMsIHRoaXMgb25lIGVpdGhlcg=="
KEPT = "SELECT count(*) FROM webhooks_receipt"
OWED = "SELECT count(*) FROM webhooks_receipt WHERE due_at IS NOT NULL"
HANDLED = "SELECT count(*) FROM webhooks_receipt WHERE handled_by = '[\"log\"]'"
LAST = "SELECT extract(epoch FROM max(processed_at)) FROM webhooks_receipt"
LOOK_EVERY = 0.05  # seconds


def receive(bench: Bench) -> Row:
    """At a source that nothing works on."""
    count = bench.size(6_000, 40_000)
    path = address_of_source(bench, scheme="standard", secret=SECRET)
    built = [signed(path, SECRET, number, SIZE) for number in range(count)]
    with bench.meter() as meter:
        answers = _send(bench, built)
    rate = answer_rate(answers)
    row = _row("receive", "Receive, verify, dedupe, keep, 1 KB", answers, meter)
    row.setting = f"{count:,} messages signed after Standard Webhooks, over {SENDERS} connections; no handler"
    row.aim = Aim("at least 2,000 requests/s", rate >= 2_000)
    row.beside = "receive-usual"
    owed = bench.stand.number(OWED)
    row.checks += [Check("nothing is owed for it", owed == 0, f"{owed} owed"), *_checks(bench, count, built)]
    return row


def receive_handled(bench: Bench) -> Row:
    """The same, and its handler (the one that writes a line to the log) works beside it."""
    count = bench.size(6_000, 40_000)
    path = address_of_source(bench, scheme="standard", secret=SECRET, handlers=[{"handler": "log"}])
    built = [signed(path, SECRET, number, SIZE) for number in range(count)]
    with bench.meter() as meter:
        answers = _send(bench, built)
        _await_handled(bench, count)
    row = _row("receive-handled", "Receive and keep as before, and handle, 1 KB", answers, meter)
    row.setting = f"{count:,} messages as before; the handler `log` works on each while the next ones come"
    last = float(bench.stand.sql(LAST)[0][0])
    row.notes = [f"{count / (last - min(one.sent for one in answers) / 1e9):,.0f}/s from the first request to handled"]
    handled = bench.stand.number(HANDLED)
    row.checks += [
        Check("every message was handled once", handled == count, f"{handled} of {count}"),
        *_checks(bench, count, built),
    ]
    return row


def _send(bench: Bench, built: list[bytes]) -> list[Answered]:
    return bench.run(bench.load(built, count=len(built), connections=SENDERS), "receiving", len(built)).answers()


def _row(name: str, title: str, answers: list[Answered], meter: Meter) -> Row:
    """Latency is that of the answer."""
    return Row(
        name=name,
        title=title,
        setting="",
        count=len(answers),
        rate=answer_rate(answers),
        unit="requests",
        latency=Latency.of([one.milliseconds for one in answers]),
        cost=meter.reading,
        checks=[all_answered(answers)],
    )


def _await_handled(bench: Bench, count: int) -> None:
    """Until nothing is owed. Raises Stuck."""
    until = time.monotonic() + STUCK_AFTER
    while owed := bench.stand.number(OWED):
        if time.monotonic() > until:
            raise Stuck(f"{owed} receipts are still owed")
        bench.progress("handling", count - owed, count)
        time.sleep(LOOK_EVERY)


def _checks(bench: Bench, count: int, built: list[bytes]) -> list[Check]:
    repeats = bench.run(bench.load(built[:REPEATS], count=REPEATS, connections=2), "repeating").answers()
    found, known = bench.stand.number(KEPT), sum(one.status == 200 for one in repeats)
    return [
        Check("every message was kept once", found == count, f"{found} of {count}"),
        Check("a repeat is answered 200 and not kept", known == len(repeats), f"{known} of {len(repeats)}"),
    ]


def answer_rate(answers: list[Answered]) -> float:
    """Per second, from the first request to the last answer."""
    return len(answers) * 1e9 / (max(one.done for one in answers) - min(one.sent for one in answers))


def address_of_source(bench: Bench, **fields: object) -> str:
    """The path senders send to, at a new source."""
    uid = f"bench-{time.time_ns()}"
    bench.stand.api("POST", "sources/", {"uid": uid, **fields})
    return f"/in/{uid}/"
