"""/workflows, /workflow/{id} and its cancellation."""

from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.ports import WorkflowStatus
from budsim.storage.queries import WorkflowFilter, WorkflowSummary
from budsim.web.application import PARTS
from budsim.web.reading import time_of, uuid_of, whole_of
from budsim.web.recommendations import MAX_LIMIT, MAX_PAGE, paged, visible
from budsim.web.security import require, token_of

USUAL_LIMIT: Final = 20


async def listed(request: web.Request) -> web.Response:
    """List the workflows the caller may see, newest first."""
    page, limit = whole_of(request, "page", default=1, most=MAX_PAGE), whole_of(request, "limit", default=USUAL_LIMIT, most=MAX_LIMIT)
    views, total = await request.app[PARTS].queries.page(_wanted(request), page=page, limit=limit)
    return web.json_response(paged([summary(view) for view in views], total=total, page=page, limit=limit))


async def one(request: web.Request) -> web.Response:
    """Show one workflow with its result."""
    view = await visible(request, request.match_info["id"])
    result = recommendation_event(view.result).model_dump(mode="json") if view.result else None
    return web.json_response({"object": "workflow", **summary(view), "result": result})


async def cancel(request: web.Request) -> web.Response:
    """Cancel a workflow, also one that has not arrived yet; one that has ended stays as it is."""
    parts = request.app[PARTS]
    workflow_id = uuid_of(request.match_info["id"], "workflow_id")
    view = await parts.queries.one(workflow_id)
    if view is not None:
        require(token_of(request), project_id=view.project_id, cluster_id=view.cluster_id)
    status = await parts.workflows.cancel(workflow_id)
    with suppress(Unavailable):  # it is cancelled; the sweeper tells it once Kafka is back
        await parts.outbox.publish(str(workflow_id))
    return web.json_response({"object": "workflow", "workflow_id": str(workflow_id), "status": status.value})


def summary(view: WorkflowSummary) -> dict[str, Any]:
    """Return a workflow without its result."""
    return {
        "workflow_id": str(view.id),
        "status": view.status.value,
        "project_id": view.project_id,
        "cluster_id": view.cluster_id,
        "model": view.model,
        "parts_total": view.parts_total,
        "parts_done": view.parts_done,
        "created": view.created_s,
        "finished": view.finished_s,
        "error": view.failure,
    }


def _wanted(request: web.Request) -> WorkflowFilter:
    query, token = request.query, token_of(request)
    return WorkflowFilter(
        status=_status(query.get("status")),
        project_id=query.get("project_id"),
        cluster_id=query.get("cluster_id"),
        model=query.get("model"),
        created_from_s=time_of(request, "created_from"),
        created_before_s=time_of(request, "created_before"),
        projects=token.projects,
        clusters=token.clusters,
    )


def _status(text: str | None) -> str | None:
    if text is None:
        return None
    if text.upper() not in WorkflowStatus.__members__:
        raise InvalidInput(f"status = {text[:32]!r} is no state;", param="status", remedy=f"use one of {', '.join(WorkflowStatus)}")
    return text.upper()


ROUTES = (web.get("/workflows", listed), web.get("/workflow/{id}", one), web.post("/workflow/{id}/cancel", cancel))
