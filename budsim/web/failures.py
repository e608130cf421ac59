"""Errors as callers read them: one body, one status a kind."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from pydantic import ValidationError

from budsim.core.errors import (
    AccessDenied,
    BudSimError,
    ClusterNotFound,
    ConfigurationNotFound,
    Conflict,
    Forbidden,
    InvalidInput,
    MessageTooLarge,
    SimulationTimedOut,
    TooManyWorkflows,
    Unavailable,
    WorkflowNotFound,
)
from budsim.core.ranking.recommendation import Failure
from budsim.stream.codec import explained

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RETRY_AFTER_S: Final = 5


class UnreadableBody(BudSimError):
    """The body is not JSON, or did not come whole."""

    code = "unreadable_body"


_STATUS: Final[dict[type[BudSimError], int]] = {
    AccessDenied: 401,
    Forbidden: 403,
    WorkflowNotFound: 404,
    ClusterNotFound: 404,
    ConfigurationNotFound: 404,
    Conflict: 409,
    MessageTooLarge: 413,
    InvalidInput: 422,
    TooManyWorkflows: 429,
    Unavailable: 503,
}
# A cluster that is not there yet, or has nothing free, may be there when asked again.
_FLOW_STATUS: Final = {
    SimulationTimedOut.code: 408,
    ClusterNotFound.code: 503,
    Unavailable.code: 503,
    "no_usable_hardware": 503,
    "no_devices": 503,
}
_TYPES: Final = {
    400: "invalid_request",
    401: "authentication",
    403: "permission",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    422: "invalid_request",
    429: "too_many_requests",
    503: "unavailable",
}


def error_response(error: BudSimError) -> web.Response:
    """Return an error in the contract's shape."""
    return _response(_STATUS.get(type(error), 400), message=str(error), code=error.code, param=error.param)


def failure_response(failure: Failure) -> web.Response:
    """Return why a workflow ended without a recommendation."""
    message = f"{failure.message}. {failure.remedy}" if failure.remedy else failure.message
    return _response(_FLOW_STATUS.get(failure.code, 400), message=message, code=failure.code, param=failure.param)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers."""
    try:
        return await handler(request)
    except BudSimError as error:
        return error_response(error)
    except ValidationError as error:
        place = ".".join(str(step) for step in error.errors(include_url=False)[0]["loc"]) or None
        return error_response(InvalidInput(explained(error), param=place, remedy="Mend it and send it again."))
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        return _http_response(request, error)


def _http_response(request: web.Request, error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return error_response(MessageTooLarge("the body is over 512 KB;", remedy="send less, or report clusters on /clusters first"))
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    text = f"{request.method} {request.path}: {error.reason}"
    return _response(error.status, message=text, code=_TYPES.get(error.status, "http"), headers=allowed)


def _response(status: int, *, message: str, code: str, param: str | None = None, headers: dict[str, str] | None = None) -> web.Response:
    body = {"object": "error", "message": message, "type": _TYPES.get(status, "invalid_request"), "param": param, "code": code}
    added = dict(headers or {})
    if status in (429, 503):
        added["Retry-After"] = str(RETRY_AFTER_S)
    if status == web.HTTPUnauthorized.status_code:
        added["WWW-Authenticate"] = "Bearer"
    return web.json_response(body, status=status, headers=added)
