"""Find what ends soon, such as keys and certificates: when messages come, what they say, when certificates end."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509

from webhooks.kit.conditions.condition import Finding, Question
from webhooks.kit.kinds.setting import Setting

STEPS = (45, 30, 15, 3, 1)  # days before the end, each with a message
DAYS = Setting(
    "days",
    "Days",
    f"Days before the end. A message comes then, and at each of {', '.join(map(str, STEPS))} days that is later.",
    type="number",
    default=45,
    minimum=1,
    maximum=365,
    example="45",
)
MAX_TEXT = 256  # characters of a subject and of its name
BEGIN = "-----BEGIN CERTIFICATE-----"


def last_end(question: Question) -> datetime:
    """Return the latest end that is to be found."""
    return question.now + timedelta(days=question.settings[DAYS.name])


def ending(
    question: Question, kind: str, subject: str, name: str, tenant_id: UUID | None, ends_at: datetime, then: str = ""
) -> Finding:
    """Return the finding that something ends. ``then``: a sentence about what follows."""
    days = (ends_at - question.now).total_seconds() / 86_400
    step = sum(days <= it for it in STEPS if it < question.settings[DAYS.name])
    at = f"at {ends_at:%Y-%m-%d %H:%M} UTC"
    text = f"Ends {at}, in {max(round(days, 1), 0):g} days." if days > 0 else f"Ended {at}."
    message = f"{text} {then}".rstrip()
    return Finding(kind, subject[:MAX_TEXT], name[:MAX_TEXT], message, tenant_id, None, round(days, 2), step)


def first(findings: list[Finding], limit: int) -> list[Finding]:
    """Return the findings, that first which ends first."""
    return sorted(findings, key=lambda it: it.value or 0)[:limit]


def certificate_ends(texts: Mapping[str, object]) -> Iterator[tuple[str, datetime]]:
    """Yield the name of each text that has certificates as PEM, and when the first of them ends."""
    for name, text in texts.items():
        if not isinstance(text, str) or BEGIN not in text:
            continue
        try:
            found = [it.not_valid_after_utc for it in x509.load_pem_x509_certificates(text.encode())]
        except ValueError:  # it cannot be used anyway
            continue
        yield name, min(found)
