"""Find that a disk is nearly full."""

from delivery.models import DrainReport
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.kinds.setting import Setting

BELOW = Setting(
    "below_percent",
    "Below (%)",
    "Percent of the disk that has to be free.",
    type="number",
    default=10,
    minimum=1,
    maximum=99,
    example="10",
)


def find(question: Question) -> list[Finding]:
    """Return the machines whose drains have reported a disk that is nearly full, within the last ten minutes."""
    limit = question.settings[BELOW.name]
    reports = DrainReport.objects.filter(disk_free__lt=limit / 100).order_by("machine", "-reported_at")
    return [
        Finding(
            "platform",
            f"disk of {it.machine}"[:256],
            it.machine,
            f"{100 * it.disk_free:.1f} % of the disk with the data directory is free; the limit is {limit} %.",
            value=round(100 * it.disk_free, 1),
        )
        for it in reports.distinct("machine")[: question.limit]
    ]


CONDITION = Condition(
    "platform_disk",
    "Disk nearly full",
    "The disk with the data directory is nearly full, on a machine with drains.",
    find,
    (BELOW,),
    every=30.0,
    is_for_operators=True,
)
