"""The demonstration: two clusters, one request, feedback, and an answer that differs for that reason."""

import asyncio
from importlib.resources import files
from uuid import UUID

from rich.table import Table
from sqlalchemy import text

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.cli.ask import ask, give_feedback, send
from budsim.cli.ending import until_ended
from budsim.cli.output import wide_console
from budsim.cli.tables import recommendation_tables
from budsim.config import Settings
from budsim.core.errors import BudSimError
from budsim.storage.engine import create_engine
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

console = wide_console()


def demonstrate(settings: Settings) -> None:
    """Run the whole story on running workers."""
    asyncio.run(until_ended(_story(settings)))


async def _story(settings: Settings) -> None:
    messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())
    folder = files("budsim.cli") / "examples"
    for name in ("cluster-a100.json", "cluster-l40s.json"):
        cluster = ClusterUpdated.model_validate_json((folder / name).read_bytes())
        await send(settings, [messages.cluster(cluster)])
        console.print(f"reported cluster {cluster.id} on clusters.v1")
    request = SimulationRequested.model_validate_json((folder / "request.json").read_bytes())
    console.rule("a request as a Kafka event")
    first = await _asked(settings, request)
    await _rows(settings, UUID(first.workflow_id))
    chosen = first.recommendations[0].configurations[0]
    console.rule("feedback: the recommended configuration ran out of memory")
    feedback = FeedbackGiven(
        config_id=UUID(chosen.config_id), failed=True, reason="CUDA out of memory", workflow_id=UUID(first.workflow_id)
    )
    await give_feedback(settings, feedback, wait=True)
    console.print(f"feedback applied to {chosen.config_id}", highlight=False)
    console.rule("the same request again")
    second = await _asked(settings, request)
    _compare(chosen.config_id, second)


async def _asked(settings: Settings, request: SimulationRequested) -> RecommendationMade:
    answer = await ask(settings, request, wait=True, show=True)
    if answer is None or answer.status != "completed":
        raise BudSimError("the request was not completed", remedy="see the logs above")
    console.print(f"recommendations.v1 answered workflow {answer.workflow_id}: {answer.status}", highlight=False)
    recommendation_tables(console, answer)
    return answer


async def _rows(settings: Settings, workflow_id: UUID) -> None:
    engine = create_engine(settings.database_url)
    query = "SELECT rank, cluster_id, engine, device_name, tp_size, pp_size, replicas FROM simulation_results"
    async with engine.connect() as connection:
        rows = await connection.execute(text(f"{query} WHERE workflow_id = :id ORDER BY cluster_rank, rank"), {"id": workflow_id})
        table = Table("rank", "cluster", "engine", "device", "TP", "PP", "replicas", title="simulation_results in PostgreSQL")
        for row in rows:
            table.add_row(*(str(value) for value in row))
    await engine.dispose()
    console.print(table)


def _compare(failed: str, second: RecommendationMade) -> None:
    left_out = {config_id for item in second.recommendations for config_id in item.excluded_config_ids}
    if failed not in left_out:
        raise BudSimError("the second answer does not say that it left the failed configuration out")
    console.print(f"[green]the second answer left {failed} out because feedback said it failed[/]", highlight=False)
