"""A whole BudSim for a test: workers as real processes on the run's servers."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.ask import send
from budsim.cli.kafka import read_all
from budsim.cli.servers import start_process
from budsim.config import Settings, load_settings
from budsim.services.ports import OutgoingMessage
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

EXAMPLES = Path(__file__).resolve().parents[2] / "budsim" / "cli" / "examples"


class Stack:
    """Sends and reads as a caller would."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())

    def start(self, name: str) -> None:
        self.processes[name] = start_process(name, self.settings, self.folder)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(15)

    async def send(self, *messages: OutgoingMessage) -> None:
        await send(self.settings, list(messages))

    async def report_examples(self) -> None:
        for name in ("cluster-a100.json", "cluster-l40s.json"):
            await self.send(self.messages.cluster(ClusterUpdated.model_validate_json((EXAMPLES / name).read_bytes())))

    async def answers(self) -> dict[str, list[tuple[str, RecommendationMade]]]:
        """Every answer so far, with its ce_id, by workflow."""
        found: dict[str, list[tuple[str, RecommendationMade]]] = {}
        for record in await read_all(self.settings.kafka, self.settings.topic_prefix + catalogue.RECOMMENDATIONS):
            answer = RecommendationMade.model_validate_json(record.value or b"")
            ce_id = dict(record.headers)["ce_id"].decode()
            found.setdefault(answer.workflow_id, []).append((ce_id, answer))
        return found

    async def answer(self, workflow_id: UUID, *, deadline_s: float = 30.0) -> RecommendationMade:
        async def there() -> RecommendationMade | None:
            found = (await self.answers()).get(str(workflow_id))
            return found[0][1] if found else None

        return await wait_for(there, deadline_s=deadline_s)

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.settings.database_url.replace("+asyncpg", ""))
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    def raw(self, value: bytes | None, key: bytes | None = None, topic: str = catalogue.SIMULATION_REQUESTS) -> OutgoingMessage:
        return OutgoingMessage(topic=self.settings.topic_prefix + topic, key=key, value=value)


async def wait_for(question: Any, *, deadline_s: float) -> Any:
    """Return the first true answer."""
    until_s = asyncio.get_running_loop().time() + deadline_s
    while asyncio.get_running_loop().time() < until_s:
        answer = await question()
        if answer:
            return answer
        await asyncio.sleep(0.2)
    raise AssertionError(f"not so within {deadline_s:g} s")


def example_request(**changes: Any) -> SimulationRequested:
    """The demonstration's request, changed."""
    body = SimulationRequested.model_validate_json((EXAMPLES / "request.json").read_bytes())
    return SimulationRequested.model_validate(body.model_dump() | changes)


@contextmanager
def running_stack(bootstrap: str, dsn: str, prefix: str, folder: Path, *, workers: tuple[str, ...] = ("flow", "eval-0")) -> Iterator[Stack]:
    """Topics made, workers started; ended at the end, whatever happened."""
    settings = load_settings(
        kafka_bootstrap=bootstrap, database_url=dsn, topic_prefix=prefix, data_folder=folder, hub_enabled=False, cluster_wait_s=5.0
    )
    asyncio.run(topic_admin(settings).apply(topic_specs(settings)))
    stack = Stack(settings, folder)
    for name in workers:
        stack.start(name)
    try:
        yield stack
    finally:
        for name in list(stack.processes):
            stack.processes[name].send_signal(signal.SIGTERM)
        for name in list(stack.processes):
            try:
                stack.processes[name].wait(15)
            except subprocess.TimeoutExpired:
                stack.processes[name].kill()
                stack.processes[name].wait()
