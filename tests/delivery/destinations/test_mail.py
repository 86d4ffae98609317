"""Mail to a server in this process."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from delivery.models import Attempt, Lane
from delivery.transports.outcome import Failure
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.errors import InvalidParts
from tests.delivery.destinations.battery import (
    Battery,
    Place,
    Received,
    endpoint_of,
    latest_attempt,
    make_due,
    publish_to,
    run_drain,
)
from tests.delivery.destinations.battery import hung_port as hung_port
from tests.delivery.destinations.battery import loopback as loopback
from tests.pki import Authority
from tests.smtp_server import PASSWORD, USER, MailServer, mail_server
from tests.threads import ClosingThreads

_numbers = count(1)


class Mailbox(Place):
    """A recipient; the event is the attachment of a mail."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.recipient = f"box{next(_numbers)}@example.com"
        settings = {
            "host": f"127.0.0.1:{server.port}",
            "security": "none",
            "username": USER,
            "from": "Shop <shop@example.com>",
            "to": [self.recipient],
            "attach_event": True,
        }
        super().__init__("email", settings, {"password": PASSWORD}, (PASSWORD,), too_large=60_000)

    def mails(self) -> list[EmailMessage]:
        """Return the mails of the recipient, parsed."""
        found = [it for to, it in self.server.mails if self.recipient in to]
        return [cast(EmailMessage, message_from_bytes(it, policy=policy.default)) for it in found]

    def received(self) -> list[Received]:
        found = []
        for mail in self.mails():
            (attached,) = mail.iter_attachments()
            names = ("webhook-id", "webhook-timestamp", "webhook-signature")
            attributes = {name: str(mail[name]) for name in names} | {"content-type": attached.get_content_type()}
            found.append(Received(bytes(attached.get_payload(decode=True) or b""), attributes))  # type: ignore[arg-type]
        return found

    def elsewhere(self) -> "Mailbox":
        return Mailbox(self.server)

    def denied(self) -> tuple[dict[str, Any], dict[str, str]]:
        return self.settings, {"password": "wrong"}

    def missing(self) -> None:
        return None

    def at_port(self, port: int) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "host": f"127.0.0.1:{port}"}, self.credentials

    def with_settings(self, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
        return {**self.settings, "attach_event": False, **changes}, self.credentials


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def place(server: MailServer) -> Mailbox:
    return Mailbox(server)


class TestEmail(Battery):
    """Run what every kind promises."""


@pytest.mark.django_db(transaction=True)
class TestMails:
    def test_subject_text_and_html_are_made_from_the_event(self, place: Mailbox) -> None:
        settings = place.with_settings(
            subject="Order <$.data.id> is <$.type>",
            text="Dear <$.data.name>,\\n\\n<$.data.lines> <$.data.missing>!",
            html="<p>Dear <$.data.name>, <b><$.data.total></b></p>",
            reply_to="help@example.com",
        )
        data = {"id": 7, "name": "Zoë <script>", "lines": [{"n": 1.50}], "total": 12.30}
        (event_id,) = publish_to(endpoint := endpoint_of(place, settings), data)
        run_drain()
        (mail,) = place.mails()
        assert mail["Subject"] == "Order 7 is order.created"
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().splitlines() == ["Dear Zoë <script>,", "", '[{"n":1.5}] !']
        assert html.get_content().strip() == "<p>Dear Zoë &lt;script&gt;, <b>12.3</b></p>"
        assert (mail["From"], mail["To"], mail["Reply-To"]) == (
            "Shop <shop@example.com>",
            place.recipient,
            "help@example.com",
        )
        assert mail["Message-ID"] == f"<{event_id}.{endpoint.public_id}@example.com>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert place.server.senders[-1] == "shop@example.com"
        assert b"Queued as" in bytes(latest_attempt().response or b"")

    def test_text_is_the_event_as_json_without_a_template(self, place: Mailbox) -> None:
        publish_to(endpoint_of(place, place.with_settings()), {"n": "ö"})
        run_drain()
        (mail,) = place.mails()
        body = mail.get_body(("plain",))
        assert body is not None
        assert '    "n": "ö"' in body.get_content()

    def test_values_of_an_event_add_no_header_and_no_recipient(self, place: Mailbox) -> None:
        settings = place.with_settings(subject="<$.data.subject>", to=[place.recipient, "<$.data.to>"])
        evil = "x\r\nBcc: evil@example.com\r\n\r\nbody"
        endpoint = endpoint_of(place, settings)
        publish_to(
            endpoint,
            {"subject": evil, "to": "a@example.com"},
            {"subject": "s", "to": "a@example.com\r\nRCPT TO:<evil@example.com>"},
            {"subject": "s", "to": "a@example.com, evil@example.com"},
            {"subject": "s", "to": "a@example.com> SIZE=1"},
            {"subject": "s"},
        )
        run_drain()
        (mail,) = place.mails()
        assert mail["Subject"] == "x Bcc: evil@example.com body"
        assert "Bcc" not in mail
        assert [to for to, _ in place.server.mails if place.recipient in to] == [[place.recipient, "a@example.com"]]
        assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", *[Failure.REFUSED] * 4]
        assert not [to for to, _ in place.server.mails if "evil@example.com" in to]

    def test_repeat_is_the_same_mail(self, place: Mailbox) -> None:
        settings = place.with_settings(html="<p><$.data></p>")
        endpoint = endpoint_of(place, settings, retry_plan=[0])
        publish_to(endpoint, "ä" * 2000)
        run_drain()
        endpoint.deliveries.update(state="pending")
        make_due(endpoint)
        run_drain()
        first, second = [it for to, it in place.server.mails if place.recipient in to]
        assert first == second

    @pytest.mark.parametrize(
        ("name", "failure", "status"),
        [
            ("later", Failure.UNAVAILABLE, 451),
            ("closing", Failure.UNAVAILABLE, 421),
            ("full", Failure.THROTTLED, 452),
            ("never", Failure.REFUSED, 550),
        ],
    )
    def test_refused_recipient_is_a_failure_by_its_reply_and_no_recipient_gets_the_mail(
        self, place: Mailbox, name: str, failure: Failure, status: int
    ) -> None:
        endpoint = endpoint_of(place, place.with_settings(to=[place.recipient, f"{name}@example.com"]))
        publish_to(endpoint, 1)
        run_drain()
        attempt = latest_attempt()
        assert (attempt.error, attempt.status) == (failure, status)
        assert str(status).encode() in bytes(attempt.response or b"")
        assert place.mails() == []
        assert (Lane.objects.get(endpoint=endpoint).failures == 0) == (failure is Failure.REFUSED)

    def test_refused_content_fails_alone(self, place: Mailbox) -> None:
        publish_to(endpoint_of(place, place.with_settings()), "a", "reject this", "b")
        run_drain()
        assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", "", Failure.REFUSED]
        assert len(place.mails()) == 2

    def test_server_that_ends_the_connection_while_idle_is_connected_to_again(self, place: Mailbox) -> None:
        kind, connection = checked_connection("email", Connection("ep_1", 1, {}), *place.with_settings())
        client: Any = cast(Any, kind).connect(connection, 5.0)
        assert client._usable(5.0) is client._server
        client._server.sock.shutdown(socket.SHUT_RDWR)
        assert client._usable(5.0).noop()[0] == 250
        client.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encrypted_connection_checks_the_certificate(security: str, tmp_path: Path) -> None:
    authority = Authority()
    context = authority.server(tmp_path)
    with mail_server(context, is_implicit=security == "tls") as server:
        place = Mailbox(server)
        settings, credentials = place.with_settings(security=security)
        with pytest.raises(InvalidParts) as caught:
            endpoint_of(place, (settings, credentials), skip_test=False)
        assert "settings.host" in caught.value.problems
        trusted = {**credentials, "ca_certificate": authority.pem}
        publish_to(endpoint_of(place, (settings, trusted), skip_test=False), 1)
        run_drain()
        assert len(place.mails()) == 1


@pytest.mark.django_db(transaction=True)
def test_server_without_starttls_gets_no_password(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Mailbox(server)
    with pytest.raises(InvalidParts) as caught:
        endpoint_of(place, place.with_settings(security="starttls"), skip_test=False)
    assert "does not offer STARTTLS" in caught.value.problems["settings.security"]


@pytest.mark.django_db(transaction=True)
def test_server_that_responds_byte_by_byte_ends_with_the_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ClosingThreads() as threads:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(0.05)
                while True:
                    connection.sendall(b"2")
                    with suppress(TimeoutError):
                        if connection.recv(1) == b"":
                            return

        served = threads.submit(drip)
        server = MailServer()
        server.port = listener.getsockname()[1]
        place = Mailbox(server)
        publish_to(endpoint_of(place, timeout_ms=1_000), 1)
        run_drain()
        assert latest_attempt().error == Failure.TIMEOUT
        served.result()


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"host": "a:b:c"}, "settings.host"),
        ({"from": "shop"}, "settings.from"),
        ({"from": "Shop <shop@example.com>, x@example.com"}, "settings.from"),
        ({"reply_to": "a b@example.com"}, "settings.reply_to"),
        ({"to": ["nobody"]}, "settings.to"),
        ({"to": ["a@example.com"] * 21}, "settings.to"),
        ({"subject": "<$.a[>"}, "settings.subject"),
        ({"html": "<$.a.*>"}, "settings.html"),
        ({"username": "u"}, "credentials.password"),
        ({"security": "ssl"}, "settings.security"),
    ],
)
def test_bad_settings_are_found_without_connecting(changes: dict[str, Any], setting: str) -> None:
    given = {"host": "smtp.example.com", "from": "shop@example.com", "to": ["ops@example.com"], **changes}
    with pytest.raises(InvalidSettings) as caught:
        checked_connection("email", Connection("", 1, {}), given, {})
    assert setting in caught.value.problems


def test_connection_without_encryption_needs_the_operators_consent(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP = False
    given = {"host": "smtp.example.com", "from": "s@example.com", "to": ["o@example.com"], "security": "none"}
    with pytest.raises(InvalidSettings, match="WAYPOST_ALLOW_HTTP") as caught:
        checked_connection("email", Connection("", 1, {}), given, {})
    assert caught.value.problems.keys() == {"settings.security"}
