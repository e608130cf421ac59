"""POST /simulator/run."""

from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from aiohttp import web

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.adapters.wire.requests import Caller, request_from_event
from budsim.core.engines.spec import EngineKind
from budsim.core.errors import Conflict
from budsim.services.causation import trace_context
from budsim.services.ports import WorkflowStatus
from budsim.services.split import eta_s
from budsim.storage.queries import WorkflowView
from budsim.web.application import PARTS, WebParts
from budsim.web.failures import error_response, failure_response
from budsim.web.reading import event_of, key_of, number_of
from budsim.web.security import require, token_of
from budsim.web.waiting import ended_workflow
from topics.simulation_requests import SimulationRequested

LONGEST_WAIT_S: Final = 900.0
DEBUG_PATIENCE_S: Final = 15.0  # beyond the deadline: a cluster on its way is waited for, and the deadline's own answer takes a moment
STEPS: Final = (
    {"id": "validation", "title": "Validation", "description": "Checks the request, the model and the clusters"},
    {"id": "performance_estimation", "title": "Performance estimation", "description": "Judges every candidate deployment"},
    {"id": "ranking", "title": "Ranking", "description": "Ranks clusters and places replicas"},
)


async def run(request: web.Request) -> web.Response:
    """Take a request: 202 at once, or hold the connection with ?wait= or debug."""
    parts = request.app[PARTS]
    event = await event_of(request, SimulationRequested)
    require(token_of(request), project_id=event.project_id, cluster_id=event.cluster_id)
    wait_s = _wait_s(request, event)
    workflow_id, status = await _admitted(request, event)
    view = await ended_workflow(request, workflow_id, wait_s=wait_s) if wait_s else None
    if view is not None:
        return _answer(view)
    return web.json_response(
        await _metadata(parts, event, workflow_id, status), status=202, headers={"Location": f"/workflow/{workflow_id}"}
    )


async def _admitted(request: web.Request, event: SimulationRequested) -> tuple[UUID, WorkflowStatus]:
    parts, token = request.app[PARTS], token_of(request)
    key = key_of(request)
    given = event.workflow_id or (uuid5(token.id, key) if key else None)
    workflow_id = given or uuid4()
    caller = Caller(token_id=token.id, traceparent=trace_context(request.headers.get("traceparent")))
    wanted = request_from_event(event, workflow_id=workflow_id, defaults=parts.defaults, caller=caller)
    message = parts.messages.request(event, workflow_id, traceparent=caller.traceparent)
    start = parts.admission.start_once if given else parts.admission.start
    return workflow_id, await start(wanted, message)


def _wait_s(request: web.Request, event: SimulationRequested) -> float:
    given = request.query.get("wait")
    if given is not None:
        return number_of(given, "wait", most=LONGEST_WAIT_S)
    deadline_s = event.deadline_s or request.app[PARTS].defaults.deadline_s
    return deadline_s + DEBUG_PATIENCE_S if event.debug else 0.0


def _answer(view: WorkflowView) -> web.Response:
    if view.result is None:
        return error_response(Conflict(f"workflow {view.id} was cancelled;", param="workflow_id", remedy="send the request under a new id"))
    if view.result.failure is not None:
        return failure_response(view.result.failure)
    return web.json_response(recommendation_event(view.result).model_dump(mode="json"))


async def _metadata(parts: WebParts, event: SimulationRequested, workflow_id: UUID, status: WorkflowStatus) -> dict[str, Any]:
    engines = len(event.engines or EngineKind)
    return {
        "object": "workflow_metadata",
        "workflow_id": str(workflow_id),
        "status": status.value,
        "eta": eta_s(await _clusters(parts, event) * engines),
        "steps": list(STEPS),
    }


async def _clusters(parts: WebParts, event: SimulationRequested) -> int:
    if event.cluster_id is not None:
        return 1
    return len(event.clusters) if event.clusters else await parts.queries.cluster_count()


ROUTES = (web.post("/simulator/run", run),)
