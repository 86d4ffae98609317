"""Connect to a Kafka cluster whose brokers may be connected to, and say in a sentence what is wrong with it.

librdkafka resolves names and connects by itself. So the bootstrap servers are resolved and checked before it gets them;
without TLS it gets their checked addresses instead of the names. Brokers that the cluster advertises are checked as
soon as its metadata are here, before anything is read, and again every CHECK_EVERY seconds. What remains is in
docs/why/egress.md. With TLS a broker must have a certificate for its name.
"""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin._metadata import TopicMetadata

from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host, split_host
from webhooks.sources.kinds.kafka.settings import DEFAULT_PORT
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

CONNECT_SECONDS = 4.5  # for the first response of a cluster
REQUEST_SECONDS = 5.0  # for one later request
GRACE_SECONDS = 2.0  # for librdkafka to connect again by itself, as after a change of the leader
CHECK_EVERY = 60.0  # seconds between two checks of the advertised brokers
LOG_EVERY = 60.0  # seconds between two lines of librdkafka in the log, per kind of line
MIB = 1024 * 1024
SERVERS, TOPIC = "settings.bootstrap_servers", "settings.topic"

Watermarks = tuple[int, int]  # the first offset that exists, the next that will be written

TLS = "settings.tls"
_FATAL = {  # what no further try will change
    KafkaError._AUTHENTICATION: ("The brokers refuse the credentials", "credentials.password"),
    KafkaError.SASL_AUTHENTICATION_FAILED: ("The brokers refuse the credentials", "credentials.password"),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: (
        "The brokers do not support this SASL mechanism",
        "settings.sasl_mechanism",
    ),
    KafkaError._SSL: ("No trusted TLS connection to a broker can be made", TLS),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: ("The user may not read the topic", TOPIC),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: ("The user may not read the cluster", "settings.username"),
}
PLAIN_PORT = "connecting to a PLAINTEXT broker listener?"  # of librdkafka, where a TLS handshake is not answered
_UNREACHED = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE)
_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class _Sparsely(logging.Filter):
    """Let one line of each kind pass in LOG_EVERY seconds: librdkafka repeats itself while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line passes."""
        kind, now = str(record.msg).partition(" ")[0][:32], time.monotonic()
        if now - self._last.get(kind, -LOG_EVERY) < LOG_EVERY:
            return False
        self._last[kind] = now
        return True


_log = logging.getLogger("waypost.kafka")
_log.addFilter(_Sparsely())


class Cluster:
    """A connection to the topic of a source. Methods raise SourceUnavailable.

    Belongs to the process and the thread that made it. Close it.
    """

    def __init__(self, connection: Connection) -> None:
        self.topic: str = connection.settings["topic"]
        self._connection = connection
        self._error: KafkaError | None = None
        self._error_at = 0.0
        self._checked_at = 0.0
        servers = _checked_servers(connection)
        try:
            self.consumer = Consumer(_configuration(connection, servers, self._on_error), logger=_log)
        except (KafkaException, ValueError, TypeError) as error:
            reason = _reason(error.args[0]) if error.args and isinstance(error.args[0], KafkaError) else str(error)
            raise SourceUnavailable(f"The settings are refused: {reason}", _setting_of(reason)) from error

    def close(self) -> None:
        """Close the connection."""
        self.consumer.close()

    def metadata(self, seconds: float | None = None) -> TopicMetadata:
        """Return the metadata of the topic, after a check of all brokers that the cluster advertises.

        ``seconds``: to wait for a response; CONNECT_SECONDS if None.
        """
        until = time.monotonic() + (CONNECT_SECONDS if seconds is None else seconds)
        while True:
            left = until - time.monotonic()
            try:
                found = self.consumer.list_topics(self.topic, timeout=max(0.05, min(0.5, left)))
                break
            except KafkaException as error:
                self.consumer.poll(0)  # calls _on_error
                self._raise_fatal()
                if left <= 0.5:
                    raise self.unavailable(self._error or error.args[0]) from error
        self._check_brokers({broker.host: broker.port for broker in found.brokers.values()})
        topic: TopicMetadata = found.topics[self.topic]
        if topic.error is not None:
            raise self.unavailable(topic.error)
        self._error = None
        return topic

    def check_brokers(self) -> None:
        """Check the advertised brokers again if the last check is old."""
        if time.monotonic() - self._checked_at >= CHECK_EVERY:
            self.metadata(REQUEST_SECONDS)

    def watermarks(self, partition: int) -> Watermarks:
        """Return the first offset of a partition and the next to be written."""
        place = TopicPartition(self.topic, partition)
        try:
            found = self.consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error
        if found is None:
            raise self.unavailable(KafkaError(KafkaError._TIMED_OUT))
        return found[0], found[1]

    def offsets_at(self, partitions: list[int], milliseconds: int) -> dict[int, int]:
        """Return the offset of the first record at or after a time; the next to be written if there is none."""
        places = [TopicPartition(self.topic, it, milliseconds) for it in partitions]
        try:
            found = self.consumer.offsets_for_times(places, timeout=REQUEST_SECONDS)
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error
        return {it.partition: it.offset if it.offset >= 0 else self.watermarks(it.partition)[1] for it in found}

    def check_error(self) -> None:
        """Raise what the library has reported since the last success, if it holds on: if no broker responds now."""
        self._raise_fatal()
        if self._error is not None and time.monotonic() - self._error_at >= GRACE_SECONDS:
            self.metadata(GRACE_SECONDS)

    def _raise_fatal(self) -> None:
        if self._error is not None and self._error.code() in _FATAL:
            raise self.unavailable(self._error)

    def forget_error(self) -> None:
        """Note a success."""
        self._error = None

    def unavailable(self, error: KafkaError) -> SourceUnavailable:
        """Return the exception for an error of the library."""
        code = error.code()
        if code in _NO_TOPIC:
            return SourceUnavailable(f"The cluster has no topic {self.topic}, or no such partition.", TOPIC)
        if code in _FATAL:
            sentence, setting = _FATAL[code]
            return SourceUnavailable(f"{sentence}: {_reason(error)}", setting)
        if code in _UNREACHED:
            if PLAIN_PORT in error.str():
                return SourceUnavailable("No broker is reached: this port has no TLS; set tls to false.", TLS)
            if "ssl://" in error.str() and "Disconnected" in error.str():
                ended = "the broker ends the connection in the TLS handshake; if this port has no TLS, set tls to false"
                return SourceUnavailable(f"No broker is reached: {ended}.", TLS)
            return SourceUnavailable(f"No broker is reached: {_reason(error)}", SERVERS)
        return SourceUnavailable(f"Kafka reports: {_reason(error)}")

    def _on_error(self, error: KafkaError) -> None:
        if self._error is None:
            self._error_at = time.monotonic()
        if self._error is None or self._error.code() not in _FATAL:
            keeps_reason = self._error is not None and error.code() == KafkaError._ALL_BROKERS_DOWN
            self._error = self._error if keeps_reason else error

    def _check_brokers(self, brokers: Mapping[str, int]) -> None:
        for host, port in brokers.items():
            try:
                check_host(host, port, share=self._connection.share)
            except ForbiddenAddress as error:
                message = f"The cluster advertises the broker {host}:{port}, which may not be connected to."
                raise SourceUnavailable(message, SERVERS) from error
            except (HostNotResolved, LimitReached) as error:
                raise SourceUnavailable(f"The advertised broker {host}:{port} is not resolved.", SERVERS) from error
        self._checked_at = time.monotonic()


def _checked_servers(connection: Connection) -> str:
    """Return the bootstrap servers after their check: names with TLS, addresses without."""
    servers, problem = [], ""
    for text in connection.settings["bootstrap_servers"].split(","):
        if not text.strip():
            continue
        try:
            host, port = split_host(text, DEFAULT_PORT)
            addresses = check_host(host, port, share=connection.share)
        except ForbiddenAddress as error:
            raise SourceUnavailable(f"{text.strip()}: {error}", SERVERS) from error
        except (HostNotResolved, LimitReached, FutureTimeout) as error:
            problem = str(error) or f"The name {host} is not resolved."
            continue
        hosts = [host] if connection.settings["tls"] else addresses
        servers += [f"[{it}]:{port}" if ":" in it else f"{it}:{port}" for it in hosts]
    if not servers:
        raise SourceUnavailable(problem or "There are no bootstrap servers.", SERVERS)
    return ",".join(servers)


def group_of(connection: Connection) -> str:
    """Return the consumer group to which offsets are committed."""
    return connection.settings.get("group") or f"waypost-{connection.source}"


def _configuration(connection: Connection, servers: str, on_error: Any) -> dict[str, Any]:
    settings, credentials = connection.settings, connection.credentials
    mechanism = settings.get("sasl_mechanism")
    configuration: dict[str, Any] = {
        "bootstrap.servers": servers,
        "client.id": "waypost",
        "group.id": group_of(connection),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": settings["isolation"],
        "security.protocol": ("SASL_" if mechanism else "") + ("SSL" if settings["tls"] else "PLAINTEXT"),
        "error_cb": on_error,
        "log_level": 4,
        "log.connection.close": False,
        "socket.timeout.ms": 10_000,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.max.ms": 5_000,
        "fetch.max.bytes": 8 * MIB,
        "max.partition.fetch.bytes": 8 * MIB,
        "queued.max.messages.kbytes": 16 * 1024,
    }
    if mechanism:
        username, password = settings.get("username") or "", credentials.get("password") or ""
        configuration |= {"sasl.mechanism": mechanism, "sasl.username": username, "sasl.password": password}
    for name, option in (("ca_certificate", "ca"), ("client_certificate", "certificate"), ("client_key", "key")):
        if settings["tls"] and (pem := credentials.get(name)):
            configuration[f"ssl.{option}.pem"] = pem
    return configuration


def _reason(error: KafkaError) -> str:
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
