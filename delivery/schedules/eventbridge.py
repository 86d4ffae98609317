"""Translate schedules of Amazon EventBridge Scheduler (CreateSchedule, GetSchedule) into ours."""

from collections.abc import Mapping
from typing import Any

import orjson

from delivery.models import Schedule

SCHEDULED_EVENT = "Scheduled Event"  # the type that EventBridge gives events of its clock
PLACEHOLDERS = {
    "<aws.scheduler.scheduled-time>": "<schedule.scheduled_at>",
    "<aws.scheduler.schedule-arn>": "<schedule.id>",
    "<aws.scheduler.execution-id>": "<schedule.id>-<schedule.occurrence>",
    "<aws.scheduler.attempt-number>": "1",
}
DIRECT = {
    "Name": "uid",
    "GroupName": "group",
    "Description": "description",
    "ScheduleExpression": "expression",
    "ScheduleExpressionTimezone": "timezone",
    "StartDate": "start_at",
    "EndDate": "end_at",
}
THEIRS = {"flexible_window_minutes": "FlexibleTimeWindow", "event": "Target"}
STATES = {"ENABLED": Schedule.State.ACTIVE, "DISABLED": Schedule.State.PAUSED}
ACTIONS = {"NONE": Schedule.AfterCompletion.NONE, "DELETE": Schedule.AfterCompletion.DELETE}


def their_name(field: str) -> str:
    """Return the member of AWS that one of our fields comes from, for error messages."""
    return next((theirs for theirs, ours in DIRECT.items() if ours == field), THEIRS.get(field, field))


def fields_of(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a schedule, as ``create_schedule`` takes them, from validated members of AWS."""
    fields = {ours: theirs[name] for name, ours in DIRECT.items() if theirs.get(name) is not None}
    window = theirs.get("FlexibleTimeWindow") or {}
    if window.get("Mode") == "FLEXIBLE":
        fields["flexible_window_minutes"] = window.get("MaximumWindowInMinutes") or 0
    if "State" in theirs:
        fields["state"] = STATES[theirs["State"]]
    if "ActionAfterCompletion" in theirs:
        fields["action_after_completion"] = ACTIONS[theirs["ActionAfterCompletion"]]
    return {**fields, "event": _event(theirs["Target"])}


def _event(target: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template: type and source are those of the target, if it is an event bus; the data is its input."""
    parameters = target.get("EventBridgeParameters") or {}
    event: dict[str, Any] = {"type": parameters.get("DetailType") or SCHEDULED_EVENT}
    if parameters.get("Source"):
        event["source"] = parameters["Source"]
    text = target.get("Input")
    if text is not None:
        for theirs, ours in PLACEHOLDERS.items():
            text = text.replace(theirs, ours)
        try:
            event["data"] = orjson.loads(text)
        except orjson.JSONDecodeError:
            event["data"] = text
    return event
