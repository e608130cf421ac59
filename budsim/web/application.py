"""The aiohttp application: routes, what they need, and its life."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from budsim.adapters.wire.messages import KafkaMessages
from budsim.adapters.wire.requests import RequestDefaults
from budsim.services.admission import Admission
from budsim.services.ports import Clock, Outbox
from budsim.web.failures import errors
from budsim.web.health import Health, add_health_routes
from budsim.web.metrics import measured
from budsim.web.ports import Clusters, Feedback, News, Publisher, Queries, Tokens, Workflows
from budsim.web.reading import MAX_BODY_BYTES, readable
from budsim.web.security import authentication

CLOSE_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """What the routes need."""

    admission: Admission
    workflows: Workflows
    queries: Queries
    clusters: Clusters
    tokens: Tokens
    feedback: Feedback
    outbox: Outbox
    news: News
    publisher: Publisher
    messages: KafkaMessages
    clock: Clock
    defaults: RequestDefaults
    health: Health


PARTS: web.AppKey[WebParts] = web.AppKey("parts")


def build(parts: WebParts) -> web.Application:
    """Return the application."""
    from budsim.web import clusters, feedback, page, recommendations, simulator, workflows

    layers = [measured, errors, readable, authentication(parts.tokens)]
    application = web.Application(middlewares=layers, client_max_size=MAX_BODY_BYTES)
    application[PARTS] = parts
    application[page.TEMPLATES] = page.templates()
    add_health_routes(application, parts.health)
    for module in (simulator, recommendations, feedback, workflows, clusters, page):
        application.add_routes(module.ROUTES)
    application.cleanup_ctx.append(_life)
    application.on_shutdown.append(_send_waiting_home)
    return application


async def _life(application: web.Application) -> AsyncIterator[None]:
    """Listen for news while serving; close what was opened."""
    parts = application[PARTS]
    listening = asyncio.create_task(parts.news.run())
    yield
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    with suppress(TimeoutError):
        await asyncio.wait_for(parts.publisher.stop(), CLOSE_S)


async def _send_waiting_home(application: web.Application) -> None:
    application[PARTS].news.close()
