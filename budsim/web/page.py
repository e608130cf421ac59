"""The page at /: what runs, and what was recommended. It signs in by a form; the token is kept in a cookie that only this page reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from aiohttp import web
from jinja2 import Environment, PackageLoader, select_autoescape

from budsim.core.errors import AccessDenied
from budsim.core.units import seconds_to_ms
from budsim.services.ports import WorkflowStatus
from budsim.storage.queries import BestConfiguration, WorkflowFilter, WorkflowSummary
from budsim.storage.tokens import Token
from budsim.web.application import PARTS
from budsim.web.reading import bytes_of, whole_of
from budsim.web.recommendations import MAX_PAGE
from budsim.web.security import PAGE_PATH, known_token, secret_of

SHOWN: Final = 25
COOKIE: Final = "budsim_token"
COOKIE_S: Final = 12 * 3600
REFRESH_S: Final = 5  # while something runs
_POLICY: Final = "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One workflow as a person reads it."""

    id: UUID
    model: str
    status: WorkflowStatus
    created: str
    seconds: float | None
    done_percent: int
    parts: str
    places: tuple[str, ...]
    failure: str | None
    best: tuple[BestConfiguration, ...]


async def show(request: web.Request) -> web.Response:
    """Show the newest workflows to whoever has signed in, and the door to everybody else."""
    parts = request.app[PARTS]
    try:
        token = await known_token(parts.tokens, secret_of(request) or request.cookies.get(COOKIE, ""))
    except AccessDenied:
        return _door(request, refused=COOKIE in request.cookies)
    page = whole_of(request, "page", default=1, most=MAX_PAGE)
    views, total = await parts.queries.page(WorkflowFilter(projects=token.projects, clusters=token.clusters), page=page, limit=SHOWN)
    best = await parts.queries.best_of([view.id for view in views])
    cards = [_card(view, [item for item in best if item.workflow_id == view.id]) for view in views]
    return _rendered(request, "page.html", _content(token, cards, total=total, page=page))


async def sign(request: web.Request) -> web.Response:
    """Sign in with a token, or out."""
    form = parse_qs((await bytes_of(request)).decode("utf-8", "replace"))
    if "sign_out" in form:
        response = _to_page()
        response.del_cookie(COOKIE, path=PAGE_PATH)
        return response
    secret = form.get("token", [""])[0].strip()
    try:
        await known_token(request.app[PARTS].tokens, secret)
    except AccessDenied:
        return _door(request, refused=True)
    response = _to_page()
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    response.set_cookie(COOKIE, secret, path=PAGE_PATH, max_age=COOKIE_S, httponly=True, samesite="Strict", secure=secure)
    return response


def _content(token: Token, cards: Sequence[Card], *, total: int, page: int) -> dict[str, Any]:
    running = sum(not card.status.is_terminal for card in cards)
    return {
        "token": token,
        "cards": cards,
        "total": total,
        "page": page,
        "pages": max(1, -(-total // SHOWN)),
        "running": running,
        "refresh_s": REFRESH_S if running else None,
        "now": _clock_text(datetime.now(tz=UTC).timestamp()),
    }


def _card(view: WorkflowSummary, best: Sequence[BestConfiguration]) -> Card:
    asked = (("project", view.project_id), ("cluster", view.cluster_id))
    return Card(
        id=view.id,
        model=view.model or "not known yet",
        status=view.status,
        created=_clock_text(view.created_s),
        seconds=None if view.finished_s is None else max(0.0, view.finished_s - view.created_s),
        done_percent=100 * view.parts_done // view.parts_total if view.parts_total else 0,
        parts=f"{view.parts_done} of {view.parts_total} parts" if view.parts_total else "",
        places=tuple(f"{name} {value}" for name, value in asked if value),
        failure=view.failure,
        best=tuple(best),
    )


def _door(request: web.Request, *, refused: bool) -> web.Response:
    return _rendered(request, "door.html", {"refused": refused}, status=401)


def _to_page() -> web.Response:
    return web.Response(status=303, headers={"Location": PAGE_PATH})


def _rendered(request: web.Request, name: str, content: dict[str, Any], status: int = 200) -> web.Response:
    nonce = token_urlsafe(16)
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    text = request.app[TEMPLATES].get_template(name).render(**content, nonce=nonce)
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _clock_text(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def templates() -> Environment:
    """Return the templates, which escape whatever is put into them."""
    made = Environment(loader=PackageLoader("budsim.web"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True)
    made.filters["ms"] = lambda seconds: f"{seconds_to_ms(seconds):,.0f} ms"
    return made


TEMPLATES: web.AppKey[Environment] = web.AppKey("templates")
ROUTES = (web.get(PAGE_PATH, show), web.post(PAGE_PATH, sign))
