"""What Prometheus sees of the web view."""

from typing import Final

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from budsim.web.failures import Handler

REQUESTS: Final = Counter("budsim_http_requests_total", "Requests by method, route and status", ("method", "route", "status"))
SECONDS: Final = Histogram(
    "budsim_http_request_seconds",
    "Time from a request's headers to the end of its handler, waits included",
    ("route",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120),
)
WAITING: Final = Gauge("budsim_http_waiting", "Connections held until a workflow ends")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time every request by its route, never by what callers write into it."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    method = request.method if request.method in _METHODS else "other"
    with SECONDS.labels(route).time():
        response = await handler(request)
    REQUESTS.labels(method, route, str(response.status)).inc()
    return response
