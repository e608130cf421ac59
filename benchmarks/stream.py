"""Event in → recommendation out, where the time goes by stage, and requests/s with 1 and 2 eval workers on 1, 4 and 12 keys.

Writes benchmarks/results/stream.json. Compare ratios within one run: the machines are small and noisy.
"""

import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.cli.kafka import read_all, reader
from budsim.cli.servers import everything
from budsim.config import Settings
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.simulation_requests import SimulationRequested

RESULTS = Path(__file__).parent / "results" / "stream.json"
EXAMPLES = Path(__file__).parents[1] / "budsim" / "cli" / "examples"
WARM, MEASURED, BURST = 15, 200, 120
IDLE_S = 0.02  # between single requests: they come one at a time, and none waits for another
KEYS = (1, 4, 12)
STAGES = {  # topic: the stage that writes it
    catalogue.SIMULATION_REQUESTS: "caller",
    catalogue.EVALUATIONS: "plan",
    catalogue.SEARCHES: "evaluate",
    catalogue.WORKFLOW_EVENTS: "search",
    catalogue.RECOMMENDATIONS: "gather",
}


def cluster(cluster_id: str) -> ClusterUpdated:
    """Two hardware groups: with two engines each, 4 parts a request."""
    a100 = json.loads((EXAMPLES / "cluster-a100.json").read_bytes())["nodes"][0]
    l40s = json.loads((EXAMPLES / "cluster-l40s.json").read_bytes())["nodes"][0]
    return ClusterUpdated.model_validate({"id": cluster_id, "nodes": [a100, l40s | {"id": "n2"}]})


def request(cluster_id: str) -> SimulationRequested:
    body = json.loads((EXAMPLES / "request.json").read_bytes())
    return SimulationRequested.model_validate(body | {"cluster_id": cluster_id, "deadline_s": 300})


class Bench:
    """Sends requests and notes when their answers come."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())

    async def run(self) -> dict[str, Any]:
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.kafka_bootstrap, linger_ms=0)
        await producer.start()
        try:
            for number in range(max(KEYS)):
                await self._send(producer, self._messages.cluster(cluster(f"c{number}")))
            async with reader(self._settings.kafka, self._settings.topic_prefix + catalogue.RECOMMENDATIONS, from_start=False) as consumer:
                for _ in range(WARM):
                    await self._burst(producer, consumer, 1, 1)
                since_s = time.time()
                single = [await self._single(producer, consumer) for _ in range(MEASURED)]
                stages = await self._stages(since_s)
                bursts = {}
                for keys in KEYS:
                    seconds = await self._burst(producer, consumer, BURST, keys)
                    bursts[f"{keys} keys"] = {"requests": BURST, "seconds": round(seconds, 2), "requests_per_s": round(BURST / seconds, 1)}
        finally:
            await producer.stop()
        latencies = sorted(single)
        return {
            "latency_ms": {
                "p50": round(1000 * statistics.median(latencies), 1),
                "p99": round(1000 * latencies[int(0.99 * (len(latencies) - 1))], 1),
                "requests": MEASURED,
            },
            "mean_ms_by_stage": stages,
            "throughput": bursts,
        }

    async def _single(self, producer: AIOKafkaProducer, consumer: Any) -> float:
        await asyncio.sleep(IDLE_S)
        return await self._burst(producer, consumer, 1, 1)

    async def _stages(self, since_s: float) -> dict[str, float]:
        """Return how long each stage took, by the times at which the events of a workflow were produced: the last of each topic."""
        ends: dict[str, dict[str, float]] = {}
        for topic in STAGES:
            for record in await read_all(self._settings.kafka, self._settings.topic_prefix + topic):
                workflow_id = dict(record.headers).get("correlationid", b"").decode()
                if record.timestamp_s >= since_s:
                    seen = ends.setdefault(workflow_id, {})
                    seen[topic] = max(record.timestamp_s, seen.get(topic, 0.0))
        whole = [seen for seen in ends.values() if len(seen) == len(STAGES)]
        return {
            f"{name} ({before} → {topic})": round(1000 * statistics.mean(seen[topic] - seen[before] for seen in whole), 1)
            for (before, _), (topic, name) in pairwise(STAGES.items())
        }

    async def _burst(self, producer: AIOKafkaProducer, consumer: Any, count: int, keys: int) -> float:
        """Return the seconds from the first event in to the last recommendation out."""
        waiting: set[UUID] = {uuid4() for _ in range(count)}
        started = time.perf_counter()
        for number, workflow_id in enumerate(list(waiting)):
            await self._send(producer, self._messages.request(request(f"c{number % keys}"), workflow_id))
        until = started + 120
        while waiting and time.perf_counter() < until:
            for messages in (await consumer.getmany(timeout_ms=50)).values():
                waiting -= {UUID(message.key.decode()) for message in messages}
        if waiting:
            raise RuntimeError(f"{len(waiting)} of {count} requests were not answered within 120 s")
        return time.perf_counter() - started

    async def _send(self, producer: AIOKafkaProducer, message: Any) -> None:
        await producer.send_and_wait(message.topic, key=message.key, value=message.value, headers=list(message.headers))


def main() -> None:
    os.environ.setdefault("BUDSIM_HUB_ENABLED", "false")
    results: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "python": platform.python_version()}}
    for evals in (1, 2):
        with tempfile.TemporaryDirectory(prefix="budsim-bench-", ignore_cleanup_errors=True) as name:
            Path(name).chmod(0o755)
            with everything(Path(name), evals=evals, with_web=False) as running:
                found = asyncio.run(Bench(running.settings).run())
        results[f"{evals} eval workers"] = found
        print(json.dumps({f"{evals} eval workers": found}, indent=1, ensure_ascii=False))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
