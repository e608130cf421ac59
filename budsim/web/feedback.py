"""POST /feedback."""

from uuid import UUID, uuid4, uuid5

from aiohttp import web

from budsim.adapters.wire.feedback import report_from_event
from budsim.core.errors import ConfigurationNotFound
from budsim.web.application import PARTS
from budsim.web.reading import event_of, key_of
from budsim.web.security import require, token_of
from topics.feedback import FeedbackGiven


async def feedback(request: web.Request) -> web.Response:
    """Apply feedback; 200 means that it counts from now on."""
    parts = request.app[PARTS]
    event = await event_of(request, FeedbackGiven)
    owner = await parts.queries.owner_of(event.config_id)
    if owner is None:
        raise ConfigurationNotFound(
            f"config_id {event.config_id} was never recommended;", param="config_id", remedy="send a config_id of a recommendation"
        )
    require(token_of(request), project_id=owner.project_id, cluster_id=owner.cluster_id)
    workflow_id = await parts.feedback.apply(report_from_event(event, event_id=_event_id(request)))
    return web.json_response({"object": "feedback", "config_id": str(event.config_id), "workflow_id": str(workflow_id), "applied": True})


def _event_id(request: web.Request) -> UUID:
    """Return the identity of a report: one sent again under its key is the same report."""
    key = key_of(request)
    return uuid5(token_of(request).id, f"feedback/{key}") if key else uuid4()


ROUTES = (web.post("/feedback", feedback),)
