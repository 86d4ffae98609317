"""Apply the same load for ten minutes, alone and while another session has an old snapshot. Nothing may climb."""

from benchmarks.bench import BATCH, ENDPOINTS, Bench, event_types, latency_of, rate
from benchmarks.meter import Sample, Sampler
from benchmarks.result import MIB, Check, Result, percentile
from benchmarks.wire.programs import Arrival

RATE = 1_000  # events per second
SAMPLES = 30  # of memory and CPU
MEMORY_MARGIN, TIME_MARGIN = 1.1, 1.5  # of the last third to the first
MEMORY, P99, DATABASE = "memory, MiB", "p99, ms", "PostgreSQL, us of CPU for a delivery"
EVENTS = "SELECT count(*) FROM delivery_event"


def soak(bench: Bench) -> Result:
    """Compare memory and latency at the end with those at the start."""
    result, growth = _measure(bench, bench.size(20, 600))
    is_flat = growth[MEMORY] <= MEMORY_MARGIN and growth[P99] <= TIME_MARGIN
    result.aim = Check("memory grows by at most 10 %, p99 by at most 50 %", is_flat)
    return result


def snapshot(bench: Bench) -> Result:
    """Do the same while a snapshot, as a backup has one, keeps dead rows from being removed."""
    with bench.deployment.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute(EVENTS)
        result, growth = _measure(bench, bench.size(10, 600))
        seen = other.execute(EVENTS).fetchall()[0][0]
        other.execute("ROLLBACK")
    result.checks.append(Check("the snapshot lasted to the end", seen == 0, f"it sees {seen} events"))
    is_flat = growth[DATABASE] <= TIME_MARGIN
    result.aim = Check("PostgreSQL's CPU for a delivery grows by at most 50 %", is_flat)
    return result


def _measure(bench: Bench, seconds: int) -> tuple[Result, dict[str, float]]:
    bench.create_endpoints(ENDPOINTS)
    requests = RATE * seconds // BATCH
    batches = bench.batches(event_types(ENDPOINTS))
    with Sampler(bench.system, every=seconds / SAMPLES) as sampler:
        found = bench.publish(batches, requests, requests * BATCH, rate=RATE / BATCH)
    values = thirds(sampler.samples, found.arrivals)
    notes = [
        f"{name}: {first:,.1f} in the first third, {last:,.1f} in the last" for name, (first, last) in values.items()
    ]
    growth = {name: last / first for name, (first, last) in values.items()}
    latency = latency_of(found.arrivals)
    return Result(len(found.arrivals), rate(found.arrivals), latency, found.cost, found.checks, notes=notes), growth


def thirds(samples: list[Sample], arrivals: list[Arrival]) -> dict[str, tuple[float, float]]:
    """Return each value in the first third of the time and in the last."""
    third = len(samples) // 3
    first, last = _values(samples[: third + 1], arrivals), _values(samples[-third - 1 :], arrivals)
    return {name: (first[name], last[name]) for name in first}


def _values(samples: list[Sample], arrivals: list[Arrival]) -> dict[str, float]:
    start, end = samples[0], samples[-1]
    during = [arrival for arrival in arrivals if start.at <= arrival.arrived / 1e9 < end.at]
    return {
        MEMORY: percentile([sample.memory / MIB for sample in samples], 0.5),
        P99: latency_of(during).p99,
        DATABASE: (end.database_cpu - start.database_cpu) * 1e6 / len(during),
    }
