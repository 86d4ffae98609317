"""Run Apache Kafka (KRaft, one node) with data in a temporary folder; its jars come from Maven."""

import base64
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from zlib import crc32

from confluent_kafka.admin import AdminClient

from tests.pki import Authority
from tests.waiting import wait_until

POM = Path(__file__).with_name("pom.xml")
JARS = Path(sys.prefix) / f"kafka-{crc32(POM.read_bytes()):08x}"
FETCH_SECONDS = 300
USER, PASSWORD = "waypost", "correct horse"  # at the listener with SASL

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={keys}
listener.name.tls.ssl.truststore.type=PEM
listener.name.tls.ssl.truststore.location={trusted}
listener.name.tls.ssl.client.auth=required
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=100
log.retention.check.interval.ms=500
"""


def absence() -> str:
    """Return why Kafka cannot be run here, after an attempt to fetch it; empty if it can."""
    if not shutil.which("java"):
        return "there is no Java here"
    if JARS.is_dir():
        return ""
    if not shutil.which("mvn"):
        return "there is no Maven here to fetch it"
    part = JARS.with_suffix(".part")
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={part}"]
    try:
        subprocess.run(command, check=True, timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.SubprocessError:
        return "its jars cannot be fetched"
    part.rename(JARS)
    return ""


class KafkaServer:
    """A broker. ``servers``: bootstrap servers; ``sasl_servers``: those that want a user.

    ``tls_servers``: those with TLS, with a certificate of ``authority``, that want one of it from the client.
    """

    def __init__(self, folder: Path, ports: tuple[int, int, int, int]) -> None:
        plain, sasl, tls, controller = ports
        self.servers, self.sasl_servers, self.tls_servers = (f"127.0.0.1:{it}" for it in (plain, sasl, tls))
        self.authority = Authority()
        issued = self.authority.issue()
        (folder / "keys.pem").write_text(issued.key + issued.pem)
        (folder / "trusted.pem").write_text(self.authority.pem)
        self._folder, self._properties = folder, folder / "server.properties"
        self._properties.write_text(
            _PROPERTIES.format(
                plain=plain,
                sasl=sasl,
                tls=tls,
                controller=controller,
                data=folder / "data",
                keys=folder / "keys.pem",
                trusted=folder / "trusted.pem",
                user=USER,
                password=PASSWORD,
            )
        )
        cluster = base64.urlsafe_b64encode(bytes(1) + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # begins with no "-"
        scram = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
        format_log = ["format", "-t", cluster, "-c", str(self._properties), "--add-scram", scram]
        subprocess.run(self._java("kafka.tools.StorageTool", *format_log), check=True, capture_output=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the broker, and wait until it responds."""
        with (self._folder / "server.log").open("ab") as log:
            command = self._java("kafka.Kafka", str(self._properties))
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._responds, "Kafka to start")

    def kill(self) -> None:
        """End the broker at once, as a power failure does."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(60)

    def suspend(self) -> None:
        """Let the broker keep its connections and say nothing, until it is resumed."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a broker that was suspended go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _responds(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
        client = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except Exception:
            return False

    @staticmethod
    def _java(*arguments: str) -> list[str]:
        return ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", *arguments]
