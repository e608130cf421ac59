"""Holding a connection until a workflow has ended."""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from aiohttp import web

from budsim.core.errors import Unavailable
from budsim.storage.queries import WorkflowView
from budsim.web.application import PARTS, WebParts
from budsim.web.metrics import WAITING

REREAD_S: Final = 1.0  # how long lost news stay unnoticed


async def ended_workflow(request: web.Request, workflow_id: UUID, *, wait_s: float) -> WorkflowView | None:
    """Return a workflow when it has ended; None when the wait runs out, the caller is gone, or this process ends.

    An outage of PostgreSQL is waited out like everything else.
    """
    parts, loop = request.app[PARTS], asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    with WAITING.track_inprogress(), parts.news.subscribed(workflow_id) as news:
        while True:
            news.clear()
            view = await _if_ended(parts, workflow_id)
            left_s = until_s - loop.time()
            if view is not None or left_s <= 0 or parts.news.closed or _gone(request):
                return view
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), min(REREAD_S, left_s))


async def _if_ended(parts: WebParts, workflow_id: UUID) -> WorkflowView | None:
    with suppress(Unavailable):
        status = await parts.queries.status(workflow_id)
        if status is not None and status.is_terminal:
            return await parts.queries.one(workflow_id)
    return None


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
