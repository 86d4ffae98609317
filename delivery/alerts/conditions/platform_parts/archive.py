"""Find that the archive cannot be written, or is behind."""

from delivery.models import ArchiveStatus
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago
from webhooks.kit.kinds.setting import Setting

HOURS = Setting(
    "hours",
    "Hours",
    "Hours that events may wait for the archive after they were due for it.",
    type="number",
    default=6,
    minimum=1,
    maximum=8_760,
    example="6",
)
MAX_ERROR = 300  # characters of the storage's error in a message
STAYS = "Nothing is lost: old events stay in the database, which grows."
HAS_TROUBLE = "EXISTS (SELECT FROM delivery_archivestatus WHERE failing_since IS NOT NULL OR due_since IS NOT NULL)"


def find(question: Question) -> list[Finding]:
    """Return a finding if the storage cannot be written, or events wait longer than they may."""
    status = ArchiveStatus.objects.first()
    if status is None:
        return []
    behind = ago(status.due_since, question.now) if status.due_since else ""
    seconds = (question.now - status.due_since).total_seconds() if status.due_since else 0.0
    if status.failing_since is not None:
        late = f" The oldest events that wait were due {behind} ago." if behind else ""
        text = f"The archive cannot be written: {status.error[:MAX_ERROR]}.{late} {STAYS}"
    elif seconds > question.settings[HOURS.name] * 3600:
        text = f"The archive is written, and behind: the oldest events that wait were due {behind} ago. {STAYS}"
    else:
        return []
    hours = round(seconds / 3600, 1)
    return [Finding("platform", "archive", "Archive", text, since=status.failing_since, value=hours)]


CONDITION = Condition(
    "platform_archive",
    "Archive away or behind",
    "The archive of old events cannot be written, or events have waited for it for too long.",
    find,
    (HOURS,),
    every=30.0,
    minutes=10,
    is_for_operators=True,
    may_hold=HAS_TROUBLE,
)
