"""Detect that no drain sends what is due."""

from datetime import timedelta

from delivery.load.assessment import Busy, BusyBecause
from delivery.reading.platform_load import platform_load
from delivery.sql.load.lanes_behind import HAS_DUE_LANES
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.jobs.duration import duration
from webhooks.kit.kinds.setting import Setting

SECONDS = Setting(
    "seconds",
    "Seconds",
    "Seconds that a delivery may wait for a drain.",
    type="number",
    default=30,
    minimum=5,
    maximum=86_400,
    example="30",
)
WORDS = {
    BusyBecause.NO_DRAINS: "no drain is running",
    BusyBecause.DATABASE: "the drains wait for the database",
    BusyBecause.MACHINE: "the processors of a machine are in use",
    BusyBecause.DRAINS: "the drains are busy",
    BusyBecause.PLACES: "the drains have as many attempts in flight as they can",
    BusyBecause.WEB: "a web process uses all of a processor",
}


def find(question: Question) -> list[Finding]:
    """Return a finding if deliveries wait for a drain, whatever the reason."""
    load = platform_load()
    if load.seconds_behind < question.settings[SECONDS.name]:
        return []
    why = "" if load.assessment.busy is Busy.NO else WORDS.get(load.assessment.because, "")
    waited = duration(timedelta(seconds=load.seconds_behind))
    text = f"Deliveries have waited {waited} for a drain{f': {why}' if why else ''}."
    return [Finding("platform", "workers", f"{len(load.drains)} drains", text, value=round(load.seconds_behind, 1))]


CONDITION = Condition(
    "platform_workers",
    "Deliveries wait for workers",
    "Deliveries are due and no drain sends them: workers are gone, or more of them are needed.",
    find,
    (SECONDS,),
    every=15.0,
    is_for_operators=True,
    may_hold=HAS_DUE_LANES,
)
