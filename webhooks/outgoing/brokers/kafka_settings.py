"""Declare the settings that every connection to Kafka has, and check them without a connection."""

from typing import Any

from webhooks.kit.kinds.setting import Setting
from webhooks.outgoing.brokers.hosts import problems_of_tls
from webhooks.outgoing.brokers.unavailable import BrokerConnection
from webhooks.outgoing.guarded_host import split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

DEFAULT_PORT = 9092
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

SECURITY = (
    Setting(
        "tls",
        "TLS",
        "Whether connections are encrypted. Off only where the operator allows HTTP.",
        type="boolean",
        default=True,
    ),
    Setting(
        "sasl_mechanism",
        "SASL mechanism",
        "How user name and password are sent; empty: without a user.",
        choices=MECHANISMS,
        example="SCRAM-SHA-512",
    ),
    Setting("username", "User name", "User for SASL.", example="waypost"),
    Setting("password", "Password", "Password for SASL.", is_credential=True),
    Setting(
        "ca_certificate",
        "CA certificate",
        "Certificates (PEM) that the brokers' certificates are verified with; empty: those of the system.",
        is_credential=True,
        max_length=65_536,
    ),
    Setting(
        "client_certificate",
        "Client certificate",
        "Certificate (PEM) to present to brokers that ask for one.",
        is_credential=True,
        max_length=65_536,
    ),
    Setting(
        "client_key",
        "Client key",
        "Private key (PEM) of the client certificate.",
        is_credential=True,
        max_length=65_536,
    ),
)


def connection_problems(connection: BrokerConnection) -> dict[str, str]:
    """Return a message for each setting that cannot work with the others: servers, topic, TLS and SASL."""
    settings = connection.settings
    problems = {**_of_servers(settings["bootstrap_servers"]), **_of_security(connection)}
    if settings["topic"].strip() != settings["topic"] or settings["topic"] in (".", ".."):
        problems["settings.topic"] = "Must be the name of a topic."
    return problems


def _of_servers(text: str) -> dict[str, str]:
    servers = [it for it in text.split(",") if it.strip()]
    if not servers:
        return {"settings.bootstrap_servers": "Must name a broker, host:port."}
    for server in servers:
        try:
            split_host(server, DEFAULT_PORT)
        except ForbiddenAddress as error:
            return {"settings.bootstrap_servers": f"{server.strip()}: {error}"}
    return {}


def _of_security(connection: BrokerConnection) -> dict[str, str]:
    settings, credentials = connection.settings, connection.credentials
    problems = dict(problems_of_tls(tls=settings["tls"]))
    given: dict[str, Any] = {
        "settings.username": settings.get("username"),
        "credentials.password": credentials.get("password"),
    }
    for path, value in given.items():
        if settings.get("sasl_mechanism") and not value:
            problems[path] = "Is required with a SASL mechanism."
        if value and not settings.get("sasl_mechanism"):
            problems["settings.sasl_mechanism"] = "Is required with a user name or a password."
    if bool(credentials.get("client_certificate")) != bool(credentials.get("client_key")):
        missing = "client_key" if credentials.get("client_certificate") else "client_certificate"
        problems[f"credentials.{missing}"] = "A client certificate and its key are given together."
    return problems
