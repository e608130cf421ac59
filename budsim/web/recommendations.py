"""GET /simulator/recommendations."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.errors import WorkflowNotFound
from budsim.core.ranking.reach import Wish, keys_of, reaching
from budsim.core.ranking.recommendation import ClusterRecommendation, Recommendation
from budsim.storage.queries import WorkflowView
from budsim.web.application import PARTS
from budsim.web.reading import number_of, uuid_of, whole_of
from budsim.web.security import may_see, token_of
from topics.wire import MAX_CONCURRENCY

MAX_PAGE: Final = 10**6
MAX_LIMIT: Final = 100


async def recommendations(request: web.Request) -> web.Response:
    """Return the best configuration of each cluster that carries the target, is under the threshold and not blacklisted."""
    query = request.query
    page, limit = whole_of(request, "page", default=1, most=MAX_PAGE), whole_of(request, "limit", default=1, most=MAX_LIMIT)
    users = whole_of(request, "concurrency", default=0, most=MAX_CONCURRENCY) or None
    threshold = number_of(query.get("error_rate_threshold", "0.5"), "error_rate_threshold", most=1.0)
    view = await visible(request, query.get("workflow_id", ""))
    found: Sequence[ClusterRecommendation] = ()
    if view.result is not None:
        found = await _reaching(request, view.result, users=users, threshold=threshold)
    wanted = [cluster for cluster in found if query.get("cluster_id") in (None, cluster.cluster_id)]
    shown = wanted[(page - 1) * limit : page * limit]
    items = recommendation_event(replace(view.result, clusters=tuple(shown))).recommendations if view.result else []
    return web.json_response(paged([item.model_dump(mode="json") for item in items], total=len(wanted), page=page, limit=limit))


async def _reaching(
    request: web.Request, result: Recommendation, *, users: int | None, threshold: float
) -> tuple[ClusterRecommendation, ...]:
    parts = request.app[PARTS]
    blacklists = await parts.queries.blacklists(keys_of(result))
    entries = {blacklist.key: blacklist.entries for blacklist in blacklists}
    wish = Wish(users=users, max_error_rate=threshold, entries=entries, now_s=parts.clock.now_s())
    return await asyncio.to_thread(reaching, result, wish)


async def visible(request: web.Request, text: str) -> WorkflowView:
    """Return a workflow the caller may see; what it may not see does not exist for it."""
    view = await request.app[PARTS].queries.one(uuid_of(text, "workflow_id"))
    if view is None or not may_see(token_of(request), view):
        raise WorkflowNotFound(f"workflow_id {text} is not known;", param="workflow_id", remedy="list them: GET /workflows")
    return view


def paged(items: Sequence[dict[str, Any]], *, total: int, page: int, limit: int) -> dict[str, Any]:
    """Return a page of a list."""
    return {"object": "list", "items": list(items), "total_items": total, "page": page, "limit": limit, "total_pages": -(-total // limit)}


ROUTES = (web.get("/simulator/recommendations", recommendations),)
