"""No span ends before it began, or begins before the one that it is a part of, whatever the clocks say."""

import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from webhooks.kit.tracing.spans import CLIENT, Stage, Switch, end, start


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(Switch, "is_on", True)
    monkeypatch.setattr(Switch, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize("ended", [None, -1.0, 0.0, 2.0], ids=["now", "before", "at once", "later"])
@pytest.mark.parametrize("began", [None, 0.0, 3600.0], ids=["now", "given", "clock was set back"])
def test_times_of_a_span_and_its_parts_are_in_order(
    finished: InMemorySpanExporter, began: float | None, ended: float | None
) -> None:
    now = time.time()
    span = start("attempt", None, CLIENT, {}, began=None if began is None else now + began)
    stages = [Stage("connect", now - 1, now - 0.5), Stage("wait", now + 1, now + 0.5)]
    end(span, stages, ended=None if ended is None else now + ended)
    spans = {it.name: it for it in finished.get_finished_spans()}
    whole = spans.pop("attempt")
    assert whole.start_time <= whole.end_time
    assert sorted(spans) == ["connect", "wait"]
    assert all(whole.start_time <= it.start_time <= it.end_time for it in spans.values())
