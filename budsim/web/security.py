"""Who calls, and errors as callers read them."""

import json
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import ValidationError

from budsim.core.errors import (
    AccessDenied,
    BudSimError,
    ClusterNotFound,
    ConfigurationNotFound,
    Conflict,
    SimulationTimedOut,
    Unavailable,
    WorkflowNotFound,
)
from budsim.storage.tokens import PostgresTokens, Token
from budsim.stream.codec import explained

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN: Final = "token"
OPEN_PATHS: Final = frozenset({"/health", "/ready", "/metrics"})
RETRY_AFTER: Final = {"Retry-After": "5"}
_STATUS: Final[dict[type[BudSimError], int]] = {
    AccessDenied: 401,
    WorkflowNotFound: 404,
    ClusterNotFound: 404,
    ConfigurationNotFound: 404,
    Conflict: 409,
    SimulationTimedOut: 408,
    Unavailable: 503,
}


def error_response(error: BudSimError, status: int | None = None) -> web.Response:
    """Return an error in the contract's shape."""
    code = status or _STATUS.get(type(error), 400)
    body = {"object": "error", "message": str(error), "type": type(error).__name__, "param": error.param, "code": error.code}
    return web.json_response(body, status=code, headers=RETRY_AFTER if code in (429, 503) else None)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers."""
    try:
        return await handler(request)
    except BudSimError as error:
        return error_response(error)
    except ValidationError as error:
        return error_response(BudSimError(explained(error), remedy="mend the field and send it again"), 422)
    except json.JSONDecodeError as error:
        return error_response(BudSimError(f"the body is not JSON ({error})", remedy="send a JSON object"), 400)
    except web.HTTPRequestEntityTooLarge:
        return error_response(BudSimError("the body is over 512 KB", remedy="send less"), 413)


def authentication(tokens: PostgresTokens) -> Middleware:
    """Return the middleware that wants a token on every route but health, ready and metrics."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS:
            return await handler(request)
        header = request.headers.get("Authorization", "")
        secret = header.removeprefix("Bearer ").strip() or request.headers.get("dapr-api-token", "") or request.query.get("token", "")
        token = await tokens.find(secret) if secret else None
        if token is None:
            raise AccessDenied("a valid API token is needed", remedy="make one: budsim token create NAME; send it as Authorization: Bearer")
        request[TOKEN] = token
        return await handler(request)

    return authenticate


def token_of(request: web.Request) -> Token:
    """Return who calls."""
    token: Token = request[TOKEN]
    return token


def may_see(token: Token, *, project_id: str | None, cluster_id: str | None) -> bool:
    """Whether a token covers a project and a cluster."""
    project = token.projects is None or (project_id is not None and project_id in token.projects)
    cluster = token.clusters is None or (cluster_id is not None and cluster_id in token.clusters)
    return project and cluster
