"""/simulator/run, /simulator/recommendations and /feedback."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4, uuid5

from aiohttp import web

from budsim.adapters.wire.feedback import report_from_event
from budsim.adapters.wire.recommendations import recommendation_event
from budsim.adapters.wire.requests import Caller, request_from_event
from budsim.core.errors import AccessDenied, BudSimError, Conflict, InvalidInput, WorkflowNotFound
from budsim.core.ranking.recommendation import Recommendation
from budsim.services.split import eta_s
from budsim.storage.queries import WorkflowView
from budsim.storage.tokens import Token
from budsim.web.application import PARTS
from budsim.web.security import error_response, may_see, token_of
from topics.feedback import FeedbackGiven
from topics.simulation_requests import SimulationRequested

POLL_S = 0.1
LONGEST_WAIT_S = 120.0
STEPS = (
    {"id": "validation", "title": "Validation", "description": "Checks the request, the model and the clusters"},
    {"id": "performance_estimation", "title": "Performance estimation", "description": "Judges every candidate deployment"},
    {"id": "ranking", "title": "Ranking", "description": "Ranks clusters and places replicas"},
)
_FAILED_STATUS = {"cluster_not_found": 404, "simulation_timed_out": 408, "unavailable": 503}


async def run(request: web.Request) -> web.Response:
    """Take a request: 202 at once, or hold the connection with ?wait= or debug."""
    parts = request.app[PARTS]
    text = await request.read()
    event = SimulationRequested.model_validate_json(text)
    token = token_of(request)
    if not may_see(token, project_id=event.project_id, cluster_id=event.cluster_id):
        return error_response(AccessDenied("this token is not for that project or cluster", param="project_id"), 403)
    wait_s = _wait(request, event)
    workflow_id = _workflow_id(request, event, token)
    body_hash = sha256(event.model_dump_json(exclude={"workflow_id"}).encode()).hexdigest()
    known = await parts.queries.one(workflow_id)
    if known is None:
        if await parts.queries.open_count() >= parts.admission_limit:
            return error_response(BudSimError("too many workflows are open", remedy="try again later"), 429)
        caller = Caller(token_id=token.id, traceparent=request.headers.get("traceparent"))
        wanted = request_from_event(event, workflow_id=workflow_id, defaults=parts.defaults, caller=caller)
        await parts.publisher.publish([parts.messages.request(event, workflow_id, traceparent=caller.traceparent)])
        await parts.workflows.insert_if_absent(wanted, body_hash=body_hash)
    elif known.body_hash not in (None, body_hash):
        raise Conflict("the same Idempotency-Key or workflow_id came with another body", remedy="use a new key for a new request")
    answer = await _awaited(request, workflow_id, wait_s) if wait_s else None
    return answer or web.json_response(_metadata(workflow_id), status=202)


async def recommendations(request: web.Request) -> web.Response:
    """Return the best configuration of each cluster that is not blacklisted and under the threshold."""
    query = request.query
    page, limit = bounded(query.get("page", "1"), "page", 10**6), bounded(query.get("limit", "1"), "limit", 100)
    threshold = _number(query.get("error_rate_threshold", "0.5"), "error_rate_threshold")
    view = await visible(request, query.get("workflow_id", ""))
    items = [] if view.result is None else await _items(request, view, threshold)
    cluster_id = query.get("cluster_id")
    found = [item for item in items if cluster_id in (None, item["cluster_id"])]
    shown = found[(page - 1) * limit : page * limit]
    pages = -(-len(found) // limit)
    return web.json_response(
        {"object": "recommendations", "items": shown, "total_items": len(found), "page": page, "limit": limit, "total_pages": pages}
    )


async def feedback(request: web.Request) -> web.Response:
    """Apply feedback; 200 means that it counts from now on."""
    parts = request.app[PARTS]
    event = FeedbackGiven.model_validate_json(await request.read())
    workflow_id = await parts.feedback.apply(report_from_event(event))
    return web.json_response({"object": "feedback", "config_id": str(event.config_id), "workflow_id": str(workflow_id), "applied": True})


async def visible(request: web.Request, text: str) -> WorkflowView:
    """Return a workflow the caller may see; what it may not see does not exist for it."""
    view = await request.app[PARTS].queries.one(uuid_of(text, "workflow_id"))
    if view is None or not may_see(token_of(request), project_id=view.project_id, cluster_id=view.cluster_id):
        raise WorkflowNotFound(f"workflow_id {text} is not known", param="workflow_id", remedy="list them: GET /workflows")
    return view


def uuid_of(text: str, param: str) -> UUID:
    """Return an id, or complain by name."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput(f"{param} = {text!r} is not a UUID", param=param, remedy="send the id that was answered") from error


async def _items(request: web.Request, view: WorkflowView, threshold: float) -> list[dict[str, Any]]:
    if view.result is None:
        return []
    marked = await request.app[PARTS].queries.blacklisted_ids(view.id)
    left = _without(view.result, marked, threshold)
    return [item.model_dump(mode="json") for item in recommendation_event(left).recommendations]


def _without(found: Recommendation, marked: frozenset[str], threshold: float) -> Recommendation:
    clusters = []
    for cluster in found.clusters:
        kept = tuple(
            ranked
            for ranked in cluster.configurations
            if ranked.configuration.config_id not in marked and ranked.configuration.error_rate <= threshold
        )
        if kept:
            clusters.append(replace(cluster, configurations=kept))
    return replace(found, clusters=tuple(clusters))


def _workflow_id(request: web.Request, event: SimulationRequested, token: Token) -> UUID:
    key = request.headers.get("Idempotency-Key")
    return event.workflow_id or (uuid5(token.id, key) if key else uuid4())


def _wait(request: web.Request, event: SimulationRequested) -> float:
    given = request.query.get("wait")
    if given is None:
        return (event.deadline_s or request.app[PARTS].defaults.deadline_s) if event.debug else 0.0
    return min(LONGEST_WAIT_S, _number(given, "wait"))


async def _awaited(request: web.Request, workflow_id: UUID, wait_s: float) -> web.Response | None:
    """Return the answer when it is in, None when the wait runs out."""
    queries, loop = request.app[PARTS].queries, asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while loop.time() < until_s:
        view = await queries.one(workflow_id)
        if view is not None and view.status.is_terminal and view.result is not None:
            return _answer(view.result)
        await asyncio.sleep(POLL_S)
    return None


def _answer(found: Recommendation) -> web.Response:
    if found.failure is not None:
        failure = found.failure
        error = BudSimError(failure.message, param=failure.param, remedy=failure.remedy)
        return error_response(error, _FAILED_STATUS.get(failure.code, 400))
    return web.json_response(recommendation_event(found).model_dump(mode="json"))


def _metadata(workflow_id: UUID) -> dict[str, Any]:
    return {
        "object": "workflow_metadata",
        "workflow_id": str(workflow_id),
        "status": "PENDING",
        "eta": eta_s(4),
        "steps": list(STEPS),
    }


def bounded(text: str, param: str, most: int) -> int:
    """Return a whole number within bounds, or complain by name."""
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise InvalidInput(f"{param} = {text!r} is not a whole number from 1 to {most}", param=param, remedy="send one")
    return int(text)


def _number(text: str, param: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InvalidInput(f"{param} = {text!r} is not a number ≥ 0", param=param, remedy="send one")
    return value


ROUTES = (
    web.post("/simulator/run", run),
    web.get("/simulator/recommendations", recommendations),
    web.post("/feedback", feedback),
)
