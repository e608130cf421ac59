"""Commands that ask: request, feedback, clusters, simulate."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID, uuid4

import typer
from pydantic import BaseModel, ValidationError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.cli.kafka import following, reader
from budsim.cli.output import AsJson, wide_console
from budsim.cli.tables import recommendation_tables
from budsim.config import Settings, load_settings
from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Record, explained
from budsim.stream.producer import KafkaPublisher
from topics import catalogue
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.progress import FEEDBACK_APPLIED, FEEDBACK_REFUSED, ProgressReported
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

clusters = typer.Typer()
console = wide_console()
M = TypeVar("M", bound=BaseModel)
PATIENCE_S = 15.0  # beyond the request's own deadline
File = Annotated[Path, typer.Argument(help="JSON file", exists=True, dir_okay=False)]


def read_body(path: Path, model: type[M]) -> M:
    """Return a file's content as a wire model."""
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInput(f"{path.name}: {explained(error)}", remedy="see docs/how-to/send-a-request.md") from error


def read_clusters(path: Path) -> list[ClusterUpdated]:
    """Return the clusters of a file: one object, or a list."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path.name} is not JSON ({error})", remedy="write one cluster object, or a list of them") from error
    try:
        return [ClusterUpdated.model_validate(item) for item in (content if isinstance(content, list) else [content])]
    except ValidationError as error:
        raise InvalidInput(f"{path.name}: {explained(error)}", remedy="see docs/how-to/send-a-request.md") from error


def request(
    file: File,
    wait: Annotated[bool, typer.Option(help="Follow progress and show the recommendations")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a simulation request as a Kafka event; with --wait or --json, follow it to its answer. A failed answer is exit code 1.

    Example: budsim request request.json --wait
    """
    settings, event = load_settings(), read_body(file, SimulationRequested)
    answer = asyncio.run(ask(settings, event, wait=wait or as_json, show=not as_json))
    if answer is None:
        return
    show_answer(answer, as_json=as_json)


def show_answer(answer: RecommendationMade, *, as_json: bool) -> None:
    """Print an answer as tables or JSON; a failed one ends the command with code 1."""
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        recommendation_tables(console, answer)
    if answer.status == "failed":
        raise typer.Exit(1)


async def ask(settings: Settings, event: SimulationRequested, *, wait: bool, show: bool) -> RecommendationMade | None:
    """Send a request; with `wait`, follow it to its answer."""
    workflow_id = event.workflow_id or uuid4()
    message = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock()).request(event, workflow_id)
    if not wait:
        await send(settings, [message])
        console.print(f"workflow {workflow_id}", highlight=False)
        return None
    names = (settings.topic_prefix + catalogue.PROGRESS, settings.topic_prefix + catalogue.RECOMMENDATIONS)
    patience_s = (event.deadline_s or settings.deadline_s) + PATIENCE_S
    async with reader(settings.kafka, *names, from_start=False) as consumer:
        await send(settings, [message])
        answer = await _followed(following(consumer, str(workflow_id).encode(), deadline_s=patience_s), names[1], show=show)
    if answer is None:
        raise Unavailable(
            f"workflow {workflow_id} was not answered within {patience_s:g} s", remedy="are the workers running? see: budsim doctor"
        )
    return answer


async def _followed(records: AsyncIterator[Record], answers: str, *, show: bool) -> RecommendationMade | None:
    """Show the progress events of a workflow until its answer comes."""
    with Progress(TextColumn("{task.description:40.40}"), BarColumn(), TimeElapsedColumn(), console=console, disable=not show) as bar:
        task = bar.add_task("sent", total=100)
        async for record in records:
            if record.topic == answers:
                bar.update(task, completed=100, description="answered")
                return RecommendationMade.model_validate_json(record.value or b"")
            event = ProgressReported.model_validate_json(record.value or b"")
            bar.update(task, description=event.payload.content.title, completed=event.percent)
    return None


async def send(settings: Settings, messages: list[OutgoingMessage]) -> None:
    """Send messages and await the broker."""
    publisher = KafkaPublisher(settings.kafka)
    try:
        await publisher.publish(messages)
    finally:
        await publisher.stop()


def feedback(file: File, wait: Annotated[bool, typer.Option(help="Wait until it counts")] = False) -> None:
    """Tell what became of a recommended configuration; with --wait, return when it counts.

    The file: {"config_id": "…", "workflow_id": "…", "failed": true, "reason": "CUDA out of memory"}

    Example: budsim feedback feedback.json --wait
    """
    settings, event = load_settings(), read_body(file, FeedbackGiven)
    asyncio.run(give_feedback(settings, event, wait=wait))
    console.print("feedback applied" if wait else "feedback sent")


async def give_feedback(settings: Settings, event: FeedbackGiven, *, wait: bool) -> None:
    """Send feedback; with `wait`, return when it counts.

    Raises:
        InvalidInput: It was refused, or cannot be waited for.
        Unavailable: Nothing came back in time.
    """
    message = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock()).feedback(event)
    if not wait:
        await send(settings, [message])
        return
    if event.workflow_id is None:
        raise InvalidInput("workflow_id is missing: nobody tells when this feedback counts", remedy="name it, or leave out --wait")
    async with reader(settings.kafka, settings.topic_prefix + catalogue.PROGRESS, from_start=False) as consumer:
        await send(settings, [message])
        await applied(following(consumer, str(event.workflow_id).encode(), deadline_s=PATIENCE_S), event.config_id)


async def applied(records: AsyncIterator[Record], config_id: UUID) -> None:
    """Return when the news of a workflow says that feedback counts.

    Raises:
        InvalidInput: It was refused.
        Unavailable: The news ended before.
    """
    async for record in records:
        news = ProgressReported.model_validate_json(record.value or b"").payload
        if news.event == FEEDBACK_APPLIED:
            return
        if news.event == FEEDBACK_REFUSED:
            raise InvalidInput(f"feedback on {config_id} was refused: {news.content.message}", remedy="see: budsim dlq list")
    raise Unavailable(f"feedback on {config_id} was not applied in time", remedy="see: budsim dlq list")


@clusters.command()
def apply(file: File) -> None:
    """Report topologies: one cluster object, or a list.

    Example: budsim clusters apply cluster.json
    """
    settings, events = load_settings(), read_clusters(file)
    messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())
    asyncio.run(send(settings, [messages.cluster(event) for event in events]))
    console.print(f"{len(events)} clusters reported")


@clusters.command()
def remove(cluster_id: str) -> None:
    """Remove a cluster.

    Example: budsim clusters remove a100-cluster
    """
    settings = load_settings()
    messages = KafkaMessages(prefix=settings.topic_prefix, clock=SystemClock())
    asyncio.run(send(settings, [messages.cluster_removed(cluster_id)]))
    console.print(f"the removal of {cluster_id} is sent", highlight=False, markup=False)
