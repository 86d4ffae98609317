"""Measure what the whole platform takes: time to start, memory and CPU while it is idle, memory after work."""

import json
import random
import statistics
import time

from benchmarks.bench import BATCH, ENDPOINTS, SIZE, Bench, event_types
from benchmarks.processes import cpu_seconds, memory_bytes, processes_of
from benchmarks.result import MIB, Check, Figure, Result

FIRST = "ready, empty directory"
SETTLE = 10  # seconds from the start, or from the last delivery, until it is idle
OBJECTS, READ = 20_000, 800  # of the fixed work: spread over some MiB, as the objects of a program are
PAUSES = 6  # of a second each, before the fixed work is done


def start(bench: Bench) -> Result:
    """Start on an empty directory, then again on the files of that; the first event is published when it is ready."""
    with bench.fresh_system() as system:
        first = system.start_seconds
        system.create_endpoints(["lane0"], [bench.sink.url(0)], event_types(1))
        system.stop()
        since, began = bench.sink.count, time.time_ns()
        system.restart()
        responses = bench.send([system.publish_request(event_types(1), SIZE)], port=system.port)
        bench.await_arrivals(since, 1)
        arrived = (bench.sink.arrivals(since)[0].arrived - began) / 1e9
    more = {
        "ready, again": Figure(system.start_seconds, "s"),
        FIRST: Figure(first, "s"),
        "first event arrived": Figure(arrived, "s"),
    }
    return Result(1, checks=[Check("the event was accepted", responses[0].status == 202)], more=more)


def idle(bench: Bench) -> Result:
    """Measure memory and CPU of everything while nothing is published, before anything was published.

    A note says how many times as long a fixed work takes after a second without any: what a wake-up costs on this
    machine now.
    """
    system, seconds = bench.system, bench.size(10, 30)
    time.sleep(SETTLE)
    processes = processes_of(system.data)
    before, began = cpu_seconds(processes), time.monotonic()
    time.sleep(seconds)
    used = cpu_seconds(processes)
    per_second = {name: 1000 * (used[name] - before[name]) / (time.monotonic() - began) for name in used}
    memory = memory_bytes(processes_of(system.data))
    more = {"memory": _mebibytes(memory), "idle CPU": Figure(sum(per_second.values()), "ms/s")}
    notes = [
        f"memory, MiB: {_list(memory, 1 / MIB)}",
        f"CPU, ms/s: {_list(per_second, 1)}",
        f"a fixed work took {_slowdown_after_a_pause():.1f} times as long after a pause of a second",
    ]
    return Result(1, more=more, notes=notes)


def memory_after_work(bench: Bench) -> Result:
    """Measure memory of everything after 20,000 deliveries (the usual way: 2,000) to 100 endpoints."""
    bench.create_endpoints(ENDPOINTS)
    count = bench.count(20_000, 20_000)
    found = bench.publish(bench.batches(event_types(ENDPOINTS)), count // BATCH, count)
    time.sleep(SETTLE)
    memory = memory_bytes(processes_of(bench.system.data))
    return Result(
        count, checks=found.checks, more={"memory": _mebibytes(memory)}, notes=[f"MiB: {_list(memory, 1 / MIB)}"]
    )


def _slowdown_after_a_pause() -> float:
    """Return how many times as long the fixed work takes after a pause of a second as right after itself."""
    objects = [{"number": number, "text": 3 * str(number), "list": 4 * [number]} for number in range(OBJECTS)]
    chosen = random.Random(1).choices(objects, k=READ)

    def work() -> float:
        began = time.thread_time()
        for one in chosen:
            json.dumps(one)
        return time.thread_time() - began

    def work_after_a_pause() -> float:
        time.sleep(1)
        return work()

    repeated = statistics.median([work() for _ in range(50)])
    return statistics.median([work_after_a_pause() for _ in range(PAUSES)]) / repeated


def _mebibytes(memory: dict[str, float]) -> Figure:
    return Figure(sum(memory.values()) / MIB, "MiB")


def _list(values: dict[str, float], factor: float) -> str:
    return ", ".join(f"{name} {value * factor:,.1f}" for name, value in sorted(values.items()))
