"""/workflows, /workflow/{id} and its cancellation."""

from typing import Any

from aiohttp import web

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.storage.queries import WorkflowFilter, WorkflowView
from budsim.web.application import PARTS
from budsim.web.security import token_of
from budsim.web.simulator import bounded, uuid_of, visible


async def listed(request: web.Request) -> web.Response:
    """List workflows, newest first."""
    query = request.query
    page, limit = bounded(query.get("page", "1"), "page", 10**6), bounded(query.get("limit", "20"), "limit", 100)
    wanted = WorkflowFilter(
        status=query.get("status"), project_id=query.get("project_id"), model=query.get("model"), projects=token_of(request).projects
    )
    views, total = await request.app[PARTS].queries.page(wanted, page=page, limit=limit)
    return web.json_response({"object": "workflows", "items": [summary(view) for view in views], "total_items": total, "page": page})


async def one(request: web.Request) -> web.Response:
    """Show one workflow with its result."""
    view = await visible(request, request.match_info["id"])
    result = recommendation_event(view.result).model_dump(mode="json") if view.result else None
    return web.json_response({"object": "workflow", **summary(view), "result": result})


async def cancel(request: web.Request) -> web.Response:
    """Cancel a workflow, also one that has not arrived yet."""
    parts = request.app[PARTS]
    workflow_id = uuid_of(request.match_info["id"], "workflow_id")
    if await parts.queries.one(workflow_id) is not None:
        await visible(request, str(workflow_id))
    status = await parts.workflows.cancel(workflow_id)
    return web.json_response({"object": "workflow", "workflow_id": str(workflow_id), "status": status.value})


def summary(view: WorkflowView) -> dict[str, Any]:
    """Return a workflow without its result."""
    return {
        "workflow_id": str(view.id),
        "status": view.status.value,
        "project_id": view.project_id,
        "model": view.model,
        "parts_total": view.parts_total,
        "parts_done": view.parts_done,
        "created": view.created_s,
        "finished": view.finished_s,
    }


ROUTES = (web.get("/workflows", listed), web.get("/workflow/{id}", one), web.post("/workflow/{id}/cancel", cancel))
