"""/clusters/{id}: read from PostgreSQL, written through clusters.v1."""

from aiohttp import web

from budsim.core.errors import AccessDenied, ClusterNotFound, InvalidInput
from budsim.web.application import PARTS
from budsim.web.security import error_response, token_of
from topics.clusters import ClusterUpdated


async def show(request: web.Request) -> web.Response:
    """Show a topology."""
    cluster_id = _cluster_id(request)
    found = await request.app[PARTS].queries.cluster_topology(cluster_id)
    if found is None:
        raise ClusterNotFound(f"cluster_id {cluster_id} is not known", param="cluster_id", remedy="report it: PUT /clusters/{id}")
    return web.json_response({"object": "cluster", "id": cluster_id, **found})


async def put(request: web.Request) -> web.Response:
    """Report a topology."""
    cluster_id = _cluster_id(request)
    event = ClusterUpdated.model_validate_json(await request.read())
    if event.id != cluster_id:
        raise InvalidInput(f"id = {event.id!r} differs from the path's {cluster_id!r}", param="id", remedy="send the same id")
    return await _sent(request, remove=None, event=event)


async def delete(request: web.Request) -> web.Response:
    """Remove a cluster."""
    return await _sent(request, remove=_cluster_id(request), event=None)


async def _sent(request: web.Request, *, remove: str | None, event: ClusterUpdated | None) -> web.Response:
    parts, token = request.app[PARTS], token_of(request)
    cluster_id = _cluster_id(request)
    if token.clusters is not None and cluster_id not in token.clusters:
        return error_response(AccessDenied("this token is not for that cluster", param="cluster_id"), 403)
    message = parts.messages.cluster(event) if event is not None else parts.messages.cluster_removed(remove or cluster_id)
    await parts.publisher.publish([message])
    return web.json_response({"object": "cluster", "id": cluster_id, "accepted": True}, status=202)


def _cluster_id(request: web.Request) -> str:
    cluster_id = request.match_info["id"]
    token = token_of(request)
    if request.method == "GET" and token.clusters is not None and cluster_id not in token.clusters:
        raise ClusterNotFound(f"cluster_id {cluster_id} is not known", param="cluster_id")
    return cluster_id


ROUTES = (web.get("/clusters/{id}", show), web.put("/clusters/{id}", put), web.delete("/clusters/{id}", delete))
