"""Create an endpoint from a connector: its form, a preview of what it sends, and the events that become its messages.

No transaction is open while the address is looked up. The signing secret is shown once. Credentials are never shown.
"""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from subscriptions.admin.actions import show_once
from subscriptions.admin.endpoint_form import MAY_ADD, NO_EVALUATOR, NewEndpointForm, endpoint_page, run_for_form
from subscriptions.connectors.connector import Connector
from subscriptions.connectors.endpoints import create_from_connector
from subscriptions.connectors.sample import SampleRequest, sample_requests
from subscriptions.errors import Invalid
from subscriptions.validation import check_event_types, check_transformer
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable
from webhooks.kit.jsonata.transformer import MAX_EXPRESSION


class ConnectorForm(NewEndpointForm):
    """Read the fields of a connector; of each message its event types, and an expression in place of its body."""

    def __init__(self, data: Any, connector: Connector) -> None:
        super().__init__(data, connector.fields)
        del self.fields["skip_test"]
        self.connector = connector
        for message in connector.messages:
            of_message = f": {message.label}" if len(connector.messages) > 1 else ""
            self.fields[f"events_{message.name}"] = forms.CharField(
                required=False,
                label=f"Events{of_message}",
                help_text=f"{message.description} Event types, separated by commas: order.paid, order.*, or * for all.",
                widget=forms.TextInput(attrs={"class": "wp-input"}),
            )
            self.fields[f"jsonata_{message.name}"] = forms.CharField(
                required=False,
                label=f"Body in JSONata{of_message}",
                help_text="Expression that makes the body in place of the fields above, such as "
                '{"text": data.title & " " & $sum(data.lines.price)}. Empty: the body that they make.',
                max_length=MAX_EXPRESSION,
                widget=forms.Textarea(attrs={"rows": 3, "class": "wp-input", "spellcheck": "false"}),
            )

    def clean(self) -> dict[str, Any]:
        """Check the event types and the expressions."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for message in self.connector.messages:
            types = self.event_types(message.name)
            try:
                if types:
                    check_event_types(types)
            except Invalid as error:
                self.add_error(f"events_{message.name}", error.message)
        for name, transformer in self.transformers().items():
            try:
                check_transformer(transformer)
            except Invalid as error:
                self.add_error(f"jsonata_{name}", error.message)
            except EvaluatorUnavailable:
                self.add_error(f"jsonata_{name}", NO_EVALUATOR)
        return cleaned

    def event_types(self, message: str) -> list[str]:
        """Return the event types of a message."""
        return [it.strip() for it in self.cleaned_data.get(f"events_{message}", "").split(",") if it.strip()]

    def transformers(self) -> dict[str, dict[str, Any]]:
        """Return the transformers of the messages that have an expression, by the name of the message."""
        written = {it.name: self.cleaned_data.get(f"jsonata_{it.name}", "") for it in self.connector.messages}
        return {name: {"jsonata": expression} for name, expression in written.items() if expression.strip()}

    def subscriptions(self) -> list[dict[str, Any]]:
        """Return the subscriptions of the messages that have event types."""
        own = self.transformers()
        types = {it.name: self.event_types(it.name) for it in self.connector.messages}
        return [
            {"message": name, "event_types": names, "transformer": own.get(name)}
            for name, names in types.items()
            if names
        ]


def connector_page(model_admin: Any, request: HttpRequest, connector: Connector) -> HttpResponse:
    """Show the form of a connector; on POST preview it or create the endpoint. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    form = ConnectorForm(request.POST or None, connector)
    is_valid = request.method == "POST" and form.is_valid()
    is_preview = "preview" in request.POST
    if is_preview:
        form.errors.pop("tenant", None)
    elif is_valid and (created := _created(form)) is not None:
        endpoint, secret = created
        model_admin.log_addition(request, endpoint, f"added, connector {connector.name}")
        return show_once(model_admin, request, "Signing secret of the new endpoint", [(str(endpoint), secret)])
    values = {"connector": connector, "form": form, "is_preview": is_preview, "requests": _requests(form, is_preview)}
    return endpoint_page(model_admin, request, "connector_form", f"Add endpoint: {connector.label}", **values)


def _created(form: ConnectorForm) -> Any:
    cleaned = form.cleaned_data
    return run_for_form(
        form,
        lambda: create_from_connector(
            cleaned["tenant"],
            form.connector,
            settings=form.values(of_credentials=False),
            credentials=form.values(of_credentials=True),
            subscriptions=form.subscriptions(),
            uid=cleaned["uid"],
            description=cleaned["description"],
        ),
    )


def _requests(form: ConnectorForm, is_preview: bool) -> list[SampleRequest]:
    """Return the requests with the settings of the form; with those of the example before there are any."""
    settings = form.connector.example["settings"]
    if not is_preview:
        return sample_requests(form.connector, settings)
    given = form.values(of_credentials=False)
    own = {name: it for name, it in form.transformers().items() if f"jsonata_{name}" not in form.errors}
    return run_for_form(form, lambda: sample_requests(form.connector, given, own)) or []
