"""Find every form on the pages of the portal, with what a browser would send."""

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.urls import resolve, reverse

from delivery.portal.gate import COOKIE, csrf_token
from delivery.portal.urls import portal_urlpatterns
from tests.api.tenant_rows import TenantRows
from tests.delivery.portal.sessions import PortalClient, text_of

KIND_OF = {
    "endpoints": "endpoints",
    "messages": "events",
    "deliveries": "deliveries",
    "schedules": "schedules",
    "alerts": "alerts",
    "alert-rules": "alert-rules",
    "catalogue": "event-types",
}
"""The resource that an id in a path belongs to, by the first step of the path below /portal/."""
NAMES = {"connector": ("discord", "slack", "pagerduty"), "condition": ("endpoint_failing", "success_rate")}
"""Parts of paths that are names; a page is shown with each."""
FILLED = {
    "url": "https://hooks.example.com/",
    "name": "a",
    "expression": "rate(1 hour)",
    "type": "order.paid",
    "data": '{"a": [{"b": 1}]}',
    "pattern": '{"data": {"a": [1]}}',
    "sample": '{"type": "order.paid", "data": {"a": 1}}',
    "filters": "on",
    "scopes": "read",
    "minutes": "60",
}
"""The values typed into empty fields, by the name of the field."""
SUBMITTED = {"", "submit"}  # types of buttons that send the form


@dataclass(frozen=True)
class Form:
    """A form as it would be sent: where, its fields in order, and the button that is pressed."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...]
    is_hidden: frozenset[str] = frozenset()
    """The names of the hidden fields."""

    @property
    def names(self) -> list[str]:
        """Return the names of the fields, without that of the token."""
        return list(dict.fromkeys(name for name, _ in self.fields if name != "csrf"))

    def __str__(self) -> str:
        found = resolve(self.path)
        return f"{self.method.upper()} {found.url_name} {found.kwargs.get('action', '')} {','.join(self.names)}"

    def with_value(self, name: str, value: str) -> "Form":
        """Return the form with another value in a field."""
        return replace(self, fields=tuple((it, value if it == name else old) for it, old in self.fields))

    def without(self, name: str) -> "Form":
        """Return the form without a field."""
        return replace(self, fields=tuple(it for it in self.fields if it[0] != name))

    def with_again(self, name: str, value: str) -> "Form":
        """Return the form with a field twice."""
        return replace(self, fields=(*self.fields, (name, value)))

    def data(self) -> dict[str, list[str]]:
        """Return the values by name, as Django's test client sends them."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return found

    def send(self, client: PortalClient) -> Any:
        """Send the form."""
        return getattr(client, self.method)(self.path, self.data())


def paths_of(route: Any, rows: TenantRows) -> list[str]:
    """Return the paths of a route with ids of these rows, one for each choice of an action or a name."""
    parameters = route.pattern.converters
    kind = KIND_OF.get(str(route.pattern).split("/")[1], "")
    own = {"attempt": rows.id_of("deliveries/attempts"), "ref": rows.id_of(kind)} if "ref" in parameters else {}
    choices: list[dict[str, str]] = [own]
    if "action" in parameters:
        choices = [{**own, "action": it} for it in parameters["action"].regex.split("|")]
    for name, names in NAMES.items():
        if name in parameters:
            choices = [{**it, name: each} for it in choices for each in names]
    return [reverse(route.name, kwargs={name: it[name] for name in parameters}) for it in choices]


def find_forms(client: PortalClient, rows: TenantRows) -> list[Form]:
    """Return the forms of all pages, each once: with each button, and with every choice of its fields ticked.

    A button that a page shows in some states only, such as that which resumes, is a form without fields.
    """
    found: dict[str, Form] = {}
    token = csrf_token(client.cookies[COOKIE].value)
    for route in portal_urlpatterns:
        if route.name == "portal-open":
            continue
        for path in paths_of(route, rows):
            if "action" in route.pattern.converters:
                form = Form("post", path, (("csrf", token),))
                found.setdefault(str(form), form)
            response = client.get(path)
            if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
                for form in forms_in(text_of(response), path):
                    found.setdefault(str(form), form)
    return list(found.values())


def forms_in(page: str, path: str) -> list[Form]:
    """Return the forms of one page, and the parts that a script sends a form to."""
    parser = _Forms(path)
    parser.feed(page)
    return [form for it in parser.found for form in it.forms()]


@dataclass
class _Open:
    """A form that is being read."""

    method: str
    path: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    def forms(self) -> list[Form]:
        filled = tuple((name, value or FILLED.get(name.rpartition(".")[2], "")) for name, value in self.fields)
        hidden = frozenset(self.hidden - {"csrf"})
        pressed = [(*filled, *([button] if button[0] else [])) for button in self.buttons]
        own = [Form(self.method, self.path, it, hidden) for it in pressed]
        return [*own, *(Form("post", target, filled, hidden) for target in self.targets)]


class _Forms(HTMLParser):
    """Read forms: fields with the value that they have, boxes as if they were ticked, the last option of a choice."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.found: list[_Open] = []
        self._path = path
        self._form: _Open | None = None
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._path, given.get("action", ""))
            self._form = _Open(given.get("method", "get").lower(), urlsplit(action).path)
            self.found.append(self._form)
        if self._form is None:
            return
        if given.get("hx-post", self._form.path) != self._form.path:
            self._form.targets.append(given["hx-post"])
        if tag == "button" and given.get("type", "") in SUBMITTED:
            self._form.buttons.append((given.get("name", ""), given.get("value", "")))
        elif tag == "input" and given.get("name"):
            self._form.fields.append((given["name"], given.get("value", "on" if "checkbox" in given.values() else "")))
            if given.get("type") == "hidden":
                self._form.hidden.add(given["name"])
        elif tag in ("select", "textarea") and given.get("name"):
            self._form.fields.append((given["name"], ""))
            self._select, self._textarea = (given["name"], "") if tag == "select" else ("", given["name"])
        elif tag == "option" and self._select:
            self._set(self._select, given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._set(self._textarea, data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag in ("select", "textarea"):
            self._select = self._textarea = ""

    def _set(self, name: str, value: str) -> None:
        if self._form is not None:
            self._form.fields = [(it, value if it == name else old) for it, old in self._form.fields]
