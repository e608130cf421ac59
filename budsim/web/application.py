"""The aiohttp application: routes and what they need."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from budsim.adapters.wire.messages import KafkaMessages
from budsim.adapters.wire.requests import RequestDefaults
from budsim.services.feedback import FeedbackTaker
from budsim.services.ports import Clock, ClusterStore
from budsim.storage.outbox import PostgresOutbox
from budsim.storage.queries import WorkflowQueries
from budsim.storage.tokens import PostgresTokens
from budsim.storage.workflows import PostgresWorkflows
from budsim.stream.producer import KafkaPublisher
from budsim.web.health import Health, add_health_routes
from budsim.web.security import authentication, errors

MAX_BODY_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """What the routes need."""

    workflows: PostgresWorkflows
    queries: WorkflowQueries
    clusters: ClusterStore
    tokens: PostgresTokens
    feedback: FeedbackTaker
    outbox: PostgresOutbox
    publisher: KafkaPublisher
    messages: KafkaMessages
    clock: Clock
    defaults: RequestDefaults
    admission_limit: int
    health: Health


PARTS: web.AppKey[WebParts] = web.AppKey("parts")


def build(parts: WebParts) -> web.Application:
    """Return the application."""
    from budsim.web import clusters, page, simulator, workflows

    application = web.Application(middlewares=[errors, authentication(parts.tokens)], client_max_size=MAX_BODY_BYTES)
    application[PARTS] = parts
    add_health_routes(application, parts.health)
    for routes in (simulator.ROUTES, workflows.ROUTES, clusters.ROUTES, page.ROUTES):
        application.add_routes(routes)

    async def close(_: web.Application) -> None:
        await asyncio.wait_for(parts.publisher.stop(), 5.0)

    application.on_cleanup.append(close)
    return application
