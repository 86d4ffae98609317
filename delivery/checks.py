"""Check at start-up what sending needs of its project: a Celery app with a broker, and the schedule of the tasks.

What is missing entirely, an app or a package, ends the start with a sentence before (``delivery.apps``).
"""

from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.urls import NoReverseMatch, reverse

from delivery.schedule import BEAT_SCHEDULE

HANDLER = "subscriptions.api.conventions.errors.problem"


def check_api(**_options: Any) -> list[CheckMessage]:
    """Return a warning if the project serves the REST API without its settings (system check)."""
    try:
        reverse("endpoint-list")
    except NoReverseMatch:
        return []
    given: dict[str, Any] = getattr(settings, "REST_FRAMEWORK", {})
    if given.get("EXCEPTION_HANDLER") == HANDLER:
        return []
    return [
        Warning(
            "The REST API is served without its settings: no API key is accepted, and errors are no problems.",
            hint="REST_FRAMEWORK and MIDDLEWARE of subscriptions.api.conventions.project, as Publish's page says.",
            id="delivery.W003",
        )
    ]


def check_project(**_options: Any) -> list[CheckMessage]:
    """Return a warning for each missing part (system check)."""
    current_app.finalize()
    if not current_app.conf.broker_url:
        hint = "Create one with CELERY_BROKER_URL, and import it in the __init__ of the project, as Celery's page says."
        text = "No Celery app with a broker is loaded: events are stored, and nothing is sent."
        return [Warning(text, hint=hint, id="delivery.W001")]
    scheduled = {entry["task"] for entry in current_app.conf.beat_schedule.values()}
    if not (missing := sorted(BEAT_SCHEDULE.keys() - scheduled)):
        return []
    return [
        Warning(
            f"Celery's schedule lacks {', '.join(missing)}: retries are late, and what a crash left stays.",
            hint="app.conf.beat_schedule = {**delivery.schedule.BEAT_SCHEDULE, ...}, and run celery beat.",
            id="delivery.W002",
        )
    ]
