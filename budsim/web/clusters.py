"""/clusters/{id}: read from PostgreSQL, written through clusters.v1."""

from datetime import UTC, datetime

from aiohttp import web

from budsim.adapters.wire.clusters import body_from_cluster
from budsim.core.errors import ClusterNotFound, InvalidInput
from budsim.services.ports import OutgoingMessage
from budsim.web.application import PARTS
from budsim.web.reading import json_of, name_of
from budsim.web.security import require_cluster, token_of
from topics.clusters import ClusterUpdated


async def show(request: web.Request) -> web.Response:
    """Show a topology as it was last reported, in the units it came in."""
    cluster_id = _cluster_id(request)
    found = await request.app[PARTS].clusters.find(cluster_id) if token_of(request).covers_cluster(cluster_id) else None
    if found is None:
        raise ClusterNotFound(f"cluster_id {cluster_id} is not known;", param="cluster_id", remedy="report it: PUT /clusters/{id}")
    updated = datetime.fromtimestamp(found.updated_s, tz=UTC).isoformat()
    body = body_from_cluster(found.cluster).model_dump(mode="json", exclude_none=True)
    return web.json_response({"object": "cluster", **body, "updated_at": updated})


async def put(request: web.Request) -> web.Response:
    """Report a topology, whole."""
    cluster_id = _cluster_id(request)
    body = await json_of(request)
    event = ClusterUpdated.model_validate({"id": cluster_id} | body if isinstance(body, dict) else body)
    if event.id != cluster_id:
        raise InvalidInput(f"id = {event.id!r} differs from the path's {cluster_id!r};", param="id", remedy="send the same, or none")
    return await _sent(request, cluster_id, request.app[PARTS].messages.cluster(event))


async def delete(request: web.Request) -> web.Response:
    """Remove a cluster."""
    cluster_id = _cluster_id(request)
    return await _sent(request, cluster_id, request.app[PARTS].messages.cluster_removed(cluster_id))


async def _sent(request: web.Request, cluster_id: str, message: OutgoingMessage) -> web.Response:
    require_cluster(token_of(request), cluster_id)
    await request.app[PARTS].publisher.publish([message])
    return web.json_response({"object": "cluster", "id": cluster_id, "accepted": True}, status=202)


def _cluster_id(request: web.Request) -> str:
    return name_of(request.match_info["id"], "cluster_id")


ROUTES = (web.get("/clusters/{id}", show), web.put("/clusters/{id}", put), web.delete("/clusters/{id}", delete))
