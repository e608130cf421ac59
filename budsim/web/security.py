"""Who calls, and what it may see and do."""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from budsim.core.errors import AccessDenied, Forbidden
from budsim.storage.queries import WorkflowSummary
from budsim.storage.tokens import Token
from budsim.web.failures import Handler
from budsim.web.ports import Tokens

TOKEN: Final = web.RequestKey("token", Token)
OPEN_PATHS: Final = frozenset({"/health", "/ready", "/metrics"})
PAGE_PATH: Final = "/"  # signs in by a form and asks for the token itself
_SCHEME: Final = "bearer "


def authentication(tokens: Tokens) -> Middleware:
    """Return the middleware that wants a token on every route but health, ready, metrics and the page's own door."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS or request.path == PAGE_PATH:
            return await handler(request)
        request[TOKEN] = await known_token(tokens, secret_of(request))
        return await handler(request)

    return authenticate


async def known_token(tokens: Tokens, secret: str) -> Token:
    """Return the token of a secret.

    Raises:
        AccessDenied: There is none, or it was revoked.
    """
    token = await tokens.find(secret) if secret else None
    if token is None:
        raise AccessDenied(
            "a valid API token is needed;", remedy="make one with «budsim token create NAME» and send it as Authorization: Bearer"
        )
    return token


def secret_of(request: web.Request) -> str:
    """Return the secret a caller sends in one of the two headers."""
    header = request.headers.get("Authorization", "")
    bearer = header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else ""
    return bearer or request.headers.get("dapr-api-token", "").strip()


def token_of(request: web.Request) -> Token:
    """Return who calls."""
    return request[TOKEN]


def may_see(token: Token, workflow: WorkflowSummary) -> bool:
    """Whether a workflow exists for a token."""
    return token.covers_project(workflow.project_id) and token.covers_cluster(workflow.cluster_id)


def require(token: Token, *, project_id: str | None, cluster_id: str | None) -> None:
    """Let a write pass, or raise Forbidden naming what the token is for."""
    if not token.covers_project(project_id):
        raise Forbidden(
            f"this token is not for project_id = {project_id!r};", param="project_id", remedy=f"name one of {_named(token.projects)}"
        )
    require_cluster(token, cluster_id)


def require_cluster(token: Token, cluster_id: str | None) -> None:
    """Let a write on a cluster pass, or raise Forbidden."""
    if not token.covers_cluster(cluster_id):
        raise Forbidden(
            f"this token is not for cluster_id = {cluster_id!r};", param="cluster_id", remedy=f"name one of {_named(token.clusters)}"
        )


def _named(names: frozenset[str] | None) -> str:
    return ", ".join(sorted(names or ())) or "none: it is for nothing"
