"""`budsim simulate`: a request answered in this process, or swept over loads and lengths."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.clusters import cluster_from_body
from budsim.adapters.wire.recommendations import recommendation_event
from budsim.adapters.wire.requests import Caller, request_from_event
from budsim.app import create_models, part_search, request_defaults, split_policy
from budsim.cli.ask import File, read_body, read_clusters, show_answer
from budsim.cli.output import AsJson, print_json, wide_console
from budsim.cli.parts_bar import parts_bar
from budsim.cli.sweep import draw, sweep_json, sweep_plan, sweep_table
from budsim.config import Settings, load_settings
from budsim.core.errors import InvalidInput
from budsim.core.memory.analytic import AnalyticMemory
from budsim.services.ports import StoredCluster
from budsim.services.request import SimulationRequest
from budsim.services.simulate import PartCompute, planned_request, simulate_request
from budsim.services.sweep import Sweep, SweepCompute, SweepPlan, sweep
from topics.clusters import ClusterUpdated
from topics.recommendations import RecommendationMade
from topics.simulation_requests import SimulationRequested

console = wide_console()


def simulate(
    file: File,
    clusters: Annotated[Path, typer.Option(help="JSON file of one cluster or a list", exists=True, dir_okay=False)],
    sweep: Annotated[str | None, typer.Option(help="AXIS=FIRST..LAST, such as concurrency=1..512, or AXIS=A,B,C")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the sweep into this SVG file", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Answer in this process: the same services, no Kafka, no PostgreSQL. A failed answer is exit code 1.

    With --sweep, a curve instead: the best deployment for each load, and the knee beyond which more users hardly make a token cheaper.

    Example: budsim simulate request.json --clusters cluster.json --sweep concurrency=1..512 --plot out.svg
    """
    settings, event, topologies = load_settings(), read_body(file, SimulationRequested), read_clusters(clusters)
    if sweep is not None:
        _show_sweep(asyncio.run(sweep_here(settings, event, topologies, sweep_plan(sweep))), plot, as_json=as_json)
        return
    if plot is not None:
        raise InvalidInput(f"--plot {plot} without --sweep", param="plot", remedy="say what to draw: --sweep concurrency=1..512")
    show_answer(asyncio.run(answer_here(settings, event, topologies)), as_json=as_json)


def _show_sweep(found: Sweep, plot: Path | None, *, as_json: bool) -> None:
    if plot is not None:
        draw(found, plot)
    if as_json:
        print_json(sweep_json(found))
    else:
        sweep_table(console, found)
    if all(point.deployment is None for point in found.points):
        raise typer.Exit(1)


async def answer_here(settings: Settings, event: SimulationRequested, topologies: list[ClusterUpdated]) -> RecommendationMade:
    """Return the answer of the services run in-process."""
    now_s = SystemClock().now_s()
    with parts_bar() as tell:
        recommendation = await simulate_request(
            _request(settings, event),
            models=create_models(settings),
            clusters=_stored(topologies, now_s),
            policy=split_policy(settings),
            compute=PartCompute(memory=AnalyticMemory(), search=part_search(settings), tell=tell),
            now_s=now_s,
        )
    return recommendation_event(recommendation)


async def sweep_here(settings: Settings, event: SimulationRequested, topologies: list[ClusterUpdated], plan: SweepPlan) -> Sweep:
    """Return the curve of a request, computed in-process."""
    now_s, request = SystemClock().now_s(), _request(settings, event)
    planned = await planned_request(
        request, models=create_models(settings), clusters=_stored(topologies, now_s), policy=split_policy(settings), now_s=now_s
    )
    search = part_search(settings)
    compute = SweepCompute(memory=AnalyticMemory(), search=search, search_users=search.search_users)
    return sweep(request, planned, plan, compute, now_s=now_s)


def _request(settings: Settings, event: SimulationRequested) -> SimulationRequest:
    workflow_id: UUID = event.workflow_id or uuid4()
    return request_from_event(event, workflow_id=workflow_id, defaults=request_defaults(settings), caller=Caller())


def _stored(topologies: list[ClusterUpdated], now_s: float) -> Any:
    return [StoredCluster(cluster=cluster_from_body(body), updated_s=now_s) for body in topologies]
