"""Connect to a Kafka cluster whose brokers may be connected to, and say in a sentence what is wrong with it.

librdkafka resolves names and connects by itself. So the bootstrap servers are resolved and checked before it gets them;
without TLS it gets their checked addresses instead of the names. Brokers that the cluster advertises are checked as
soon as its metadata are here, before anything else is done, and again every CHECK_EVERY seconds. What remains is in
docs/why/egress.md. With TLS a broker must have a certificate for its name.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin._metadata import ClusterMetadata, TopicMetadata

from webhooks.outgoing.brokers.kafka_settings import DEFAULT_PORT
from webhooks.outgoing.brokers.unavailable import BrokerConnection, BrokerUnavailable, Cause, Failing
from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host, split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

CONNECT_SECONDS = 4.5  # for the first response of a cluster
REQUEST_SECONDS = 5.0  # for one later request
CHECK_EVERY = 60.0  # seconds between two checks of the advertised brokers
LOG_EVERY = 60.0  # seconds between two lines of librdkafka in the log, per kind of line
SERVERS, TOPIC, TLS = "settings.bootstrap_servers", "settings.topic", "settings.tls"

PLAIN_PORT = "connecting to a PLAINTEXT broker listener?"  # of librdkafka, where a TLS handshake is not answered
FATAL: Mapping[int, tuple[str, str, Cause]] = {  # what no further try will change; {} is read or write
    KafkaError._AUTHENTICATION: ("The brokers refuse the credentials", "credentials.password", Cause.ACCESS_DENIED),
    KafkaError.SASL_AUTHENTICATION_FAILED: (
        "The brokers refuse the credentials",
        "credentials.password",
        Cause.ACCESS_DENIED,
    ),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: (
        "The brokers do not support this SASL mechanism",
        "settings.sasl_mechanism",
        Cause.ACCESS_DENIED,
    ),
    KafkaError._SSL: ("No trusted TLS connection to a broker can be made", TLS, Cause.TLS),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: ("The user may not {} the topic", TOPIC, Cause.ACCESS_DENIED),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (
        "The user may not {} the cluster",
        "settings.username",
        Cause.ACCESS_DENIED,
    ),
}
_UNREACHED = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)
_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class _Sparsely(logging.Filter):
    """Let one line of each kind pass in LOG_EVERY seconds: librdkafka repeats itself while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is logged."""
        kind, now = str(record.msg).partition(" ")[0][:32], time.monotonic()
        if now - self._last.get(kind, -LOG_EVERY) < LOG_EVERY:
            return False
        self._last[kind] = now
        return True


_log = logging.getLogger("waypost.kafka")
_log.addFilter(_Sparsely())


class Client(Protocol):
    """A consumer or a producer of the library."""

    def list_topics(self, topic: str, timeout: float) -> ClusterMetadata:
        """Return the brokers and the partitions of a topic; ``timeout``: seconds."""

    def poll(self, timeout: float) -> Any:
        """Call the callbacks that are due."""


C = TypeVar("C", bound=Client)


class KafkaCluster(Failing, Generic[C]):
    """A connection to one topic of a cluster.

    Belongs to the process and the thread that made it. Methods raise what ``failed`` makes of BrokerUnavailable.
    """

    verb: ClassVar[str] = "read"  # what is done with the topic

    def __init__(self, connection: BrokerConnection, make: Callable[..., C], options: Mapping[str, Any]) -> None:
        """``make``: the class of the client; ``options``: its configuration besides servers and security."""
        self.topic: str = connection.settings["topic"]
        self._connection = connection
        self._error: KafkaError | None = None
        self._error_at = 0.0
        self._checked_at = 0.0
        self._are_all_down = False
        try:
            servers = _checked_servers(connection)
        except BrokerUnavailable as error:
            raise self.failed(error) from error
        configuration = {**_configuration(connection, servers), **options, "error_cb": self._on_error}
        try:
            self.client: C = make(configuration, logger=_log)
        except (KafkaException, ValueError, TypeError) as error:
            reason = reason_of(error.args[0]) if error.args and isinstance(error.args[0], KafkaError) else str(error)
            problem = BrokerUnavailable(f"The settings are refused: {reason}", _setting_of(reason))
            raise self.failed(problem) from error

    def metadata(self, seconds: float | None = None) -> TopicMetadata:
        """Return the metadata of the topic, after a check of all brokers that the cluster advertises.

        ``seconds``: to wait for a response; CONNECT_SECONDS if None.
        """
        until = time.monotonic() + (CONNECT_SECONDS if seconds is None else seconds)
        self._are_all_down = False
        while True:
            left = until - time.monotonic()
            try:
                found = self.client.list_topics(self.topic, timeout=max(0.05, min(0.5, left)))
                break
            except KafkaException as error:
                self.client.poll(0)  # calls _on_error
                self.raise_fatal()
                if left <= 0.5 or self._are_all_down:
                    raise self.unavailable(self._error or error.args[0]) from error
        self._check_brokers({str(it.host): int(it.port or 0) for it in found.brokers.values()})
        topic: TopicMetadata = found.topics[self.topic]
        if topic.error is not None:
            raise self.unavailable(topic.error)
        self._error = None
        return topic

    def check_brokers(self) -> None:
        """Check the advertised brokers again if the last check is old."""
        if time.monotonic() - self._checked_at >= CHECK_EVERY:
            self.metadata(REQUEST_SECONDS)

    def raise_fatal(self) -> None:
        """Raise what the library has reported since the last success, if no further try will change it."""
        if self._error is not None and self._error.code() in FATAL:
            raise self.unavailable(self._error)

    def forget_error(self) -> None:
        """Note a success."""
        self._error = None

    def unavailable(self, error: KafkaError) -> Exception:
        """Return the exception for an error of the library."""
        return self.failed(self.problem(error))

    def problem(self, error: KafkaError) -> BrokerUnavailable:
        """Return what an error of the library means."""
        code = error.code()
        if code in _NO_TOPIC:
            message = f"The cluster has no topic {self.topic}, or no such partition."
            return BrokerUnavailable(message, TOPIC, Cause.NOT_FOUND)
        if code in FATAL:
            sentence, setting, cause = FATAL[code]
            return BrokerUnavailable(f"{sentence.format(self.verb)}: {reason_of(error)}", setting, cause)
        if code in _UNREACHED:
            return _unreached(error)
        return BrokerUnavailable(f"Kafka reports: {reason_of(error)}")

    def _on_error(self, error: KafkaError) -> None:
        self._are_all_down = self._are_all_down or error.code() == KafkaError._ALL_BROKERS_DOWN
        if self._error is None:
            self._error_at = time.monotonic()
        if self._error is None or self._error.code() not in FATAL:
            keeps_reason = self._error is not None and error.code() == KafkaError._ALL_BROKERS_DOWN
            self._error = self._error if keeps_reason else error

    def _check_brokers(self, brokers: Mapping[str, int]) -> None:
        for host, port in brokers.items():
            try:
                check_host(host, port, share=self._connection.share)
            except ForbiddenAddress as error:
                message = f"The cluster advertises the broker {host}:{port}, which may not be connected to."
                raise self.failed(BrokerUnavailable(message, SERVERS, Cause.FORBIDDEN)) from error
            except (HostNotResolved, LimitReached) as error:
                message = f"The advertised broker {host}:{port} is not resolved."
                raise self.failed(BrokerUnavailable(message, SERVERS, Cause.NOT_RESOLVED)) from error
        self._checked_at = time.monotonic()


def _unreached(error: KafkaError) -> BrokerUnavailable:
    text = error.str()
    if PLAIN_PORT in text:
        return BrokerUnavailable("No broker is reached: this port has no TLS; set tls to false.", TLS, Cause.NO_TLS)
    if "ssl://" in text and "Disconnected" in text:
        ended = "the broker ends the connection in the TLS handshake; if this port has no TLS, set tls to false"
        return BrokerUnavailable(f"No broker is reached: {ended}.", TLS, Cause.NO_TLS)
    cause = Cause.UNREACHED
    if "refused" in text:
        cause = Cause.REFUSED
    elif error.code() == KafkaError._TIMED_OUT or "[thrd:" not in text:  # no broker has reported anything
        cause = Cause.TIMEOUT
    return BrokerUnavailable(f"No broker is reached: {reason_of(error)}", SERVERS, cause)


def _checked_servers(connection: BrokerConnection) -> str:
    """Return the bootstrap servers after their check: names with TLS, addresses without."""
    servers, problem = [], ""
    for text in connection.settings["bootstrap_servers"].split(","):
        if not text.strip():
            continue
        try:
            host, port = split_host(text, DEFAULT_PORT)
            addresses = check_host(host, port, share=connection.share)
        except ForbiddenAddress as error:
            raise BrokerUnavailable(f"{text.strip()}: {error}", SERVERS, Cause.FORBIDDEN) from error
        except (HostNotResolved, LimitReached, FutureTimeout) as error:
            problem = str(error) or f"The name {host} is not resolved."
            continue
        hosts = [host] if connection.settings["tls"] else addresses
        servers += [f"[{it}]:{port}" if ":" in it else f"{it}:{port}" for it in hosts]
    if not servers:
        raise BrokerUnavailable(problem or "There are no bootstrap servers.", SERVERS, Cause.NOT_RESOLVED)
    return ",".join(servers)


def _configuration(connection: BrokerConnection, servers: str) -> dict[str, Any]:
    settings, credentials = connection.settings, connection.credentials
    mechanism = settings.get("sasl_mechanism")
    configuration: dict[str, Any] = {
        "bootstrap.servers": servers,
        "client.id": "waypost",
        "security.protocol": ("SASL_" if mechanism else "") + ("SSL" if settings["tls"] else "PLAINTEXT"),
        "log_level": 4,
        "log.connection.close": False,
        "socket.timeout.ms": 10_000,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.max.ms": 5_000,
    }
    if mechanism:
        username, password = settings.get("username") or "", credentials.get("password") or ""
        configuration |= {"sasl.mechanism": mechanism, "sasl.username": username, "sasl.password": password}
    for name, option in (("ca_certificate", "ca"), ("client_certificate", "certificate"), ("client_key", "key")):
        if settings["tls"] and (pem := credentials.get(name)):
            configuration[f"ssl.{option}.pem"] = pem
    return configuration


def reason_of(error: KafkaError) -> str:
    """Return the text of an error without the names of librdkafka's threads and the time a request took."""
    text = error.str().rpartition("]: ")[2] if "[thrd:" in error.str() else error.str()
    return text.partition(" (after ")[0].rstrip(".") + "."


def _setting_of(reason: str) -> str:
    for option, setting in (
        ("ssl.ca", "ca_certificate"),
        ("ssl.key", "client_key"),
        ("ssl.cert", "client_certificate"),
    ):
        if option in reason:
            return f"credentials.{setting}"
    return ""
