"""Pause, resume, enable and disable an endpoint, and reach the pages that change its settings and secrets."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.urls import reverse

from subscriptions.admin.endpoint_operations.operation import EndpointOperation, register
from subscriptions.admin.endpoint_secrets import MAY_ROTATE
from subscriptions.endpoints import state
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.models import Endpoint

ACTIVE, PAUSED, DISABLED = Endpoint.State.ACTIVE, Endpoint.State.PAUSED, Endpoint.State.DISABLED
MAX_NOTE = 1_024  # characters


class DisableForm(forms.Form):
    """Ask why."""

    reason = forms.CharField(
        max_length=MAX_NOTE,
        label="Reason",
        help_text="Shown to the owner of the endpoint and in its history.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )


def _pause(endpoint: Endpoint, _fields: Mapping[str, Any]) -> str:
    state.pause(endpoint)
    return "paused"


def _resume(endpoint: Endpoint, _fields: Mapping[str, Any]) -> str:
    state.resume(endpoint)
    return "resumed"


def _enable(endpoint: Endpoint, _fields: Mapping[str, Any]) -> str:
    state.enable(endpoint, by_operator=True)
    return "enabled"


def _disable(endpoint: Endpoint, fields: Mapping[str, Any]) -> str:
    is_changed = state.disable(endpoint, Endpoint.DisabledReason.OPERATOR, fields["reason"])
    return f"disabled: {fields['reason']}" if is_changed else "disabled already"


def _is_in(*states: str) -> Any:
    return lambda endpoint: endpoint.state in states


register(
    EndpointOperation(
        "pause",
        "Pause",
        "Deliveries wait until it is resumed, up to seven days.",
        _pause,
        _is_in(ACTIVE, Endpoint.State.UNVERIFIED),
    ),
    EndpointOperation("resume", "Resume", "What waited is sent.", _resume, _is_in(PAUSED)),
    EndpointOperation("enable", "Enable", "What waited is sent.", _enable, _is_in(DISABLED)),
    EndpointOperation(
        "edit",
        "Edit…",
        applies=lambda endpoint: endpoint.kind == HTTP,
        path=lambda endpoint: reverse("admin:subscriptions_endpoint_edit", args=[endpoint.pk]),
    ),
    EndpointOperation(
        "settings",
        "Settings…",
        applies=lambda endpoint: endpoint.kind != HTTP,
        path=lambda endpoint: reverse("admin:subscriptions_endpoint_settings", args=[endpoint.pk]),
    ),
    EndpointOperation(
        "secrets",
        "Rotate secret…",
        permission=MAY_ROTATE,
        path=lambda endpoint: reverse("admin:subscriptions_endpoint_secrets", args=[endpoint.pk]),
    ),
    EndpointOperation(
        "disable",
        "Disable…",
        "Nothing is sent until an operator enables it; its owner cannot. Deliveries wait up to seven days, then they "
        "are dead letters.",
        _disable,
        lambda endpoint: endpoint.state != DISABLED,
        form=DisableForm,
        asks=True,
        is_destructive=True,
    ),
)
