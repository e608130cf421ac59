"""What callers send: bodies and parameters, or a complaint by name."""

import asyncio
from datetime import UTC, datetime
from math import isfinite
from typing import Final, TypeVar
from uuid import UUID

from aiohttp import ClientPayloadError, web
from pydantic import BaseModel

from budsim.core.errors import InvalidInput
from budsim.stream.strict_json import NotJson, strict_json
from budsim.web.failures import Handler, UnreadableBody

E = TypeVar("E", bound=BaseModel)
MAX_BODY_BYTES: Final = 512 * 1024
BODY_S: Final = 20.0  # longest time a body may take to come
MAX_NAME_LENGTH: Final = 255
KEY: Final = "Idempotency-Key"
LATEST_S: Final = 253_402_300_799  # the end of the year 9999 [unix s]


@web.middleware
async def readable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse text in path, query and headers that neither UTF-8 nor PostgreSQL can hold."""
    texts = [request.path, *request.query.keys(), *request.query.values(), *request.headers.values()]
    if not all(is_text(text) for text in texts):
        raise InvalidInput("the address or a header holds a NUL or what is no UTF-8 text;", remedy="leave it out")
    return await handler(request)


def is_text(text: str) -> bool:
    """Whether it can be stored: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


async def bytes_of(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        UnreadableBody: It did not come in time, or not whole.
    """
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise UnreadableBody(f"the body did not come within {BODY_S:g} s;", remedy="send it in one go") from error
    except (web.RequestPayloadError, ClientPayloadError) as error:
        raise UnreadableBody(f"the body cannot be read ({error});", remedy="check its length and encoding") from error


async def json_of(request: web.Request) -> object:
    """Return the body as JSON that every later stage can take.

    Raises:
        UnreadableBody: It is not JSON, or did not come whole in time.
    """
    text = await bytes_of(request)
    try:
        return strict_json(text)
    except (NotJson, RecursionError) as error:
        raise UnreadableBody(f"the body is not JSON ({error});", remedy="send a JSON object in UTF-8") from error


async def event_of(request: web.Request, model: type[E]) -> E:
    """Return the body as a wire model; a wrong shape is a ValidationError."""
    return model.model_validate(await json_of(request))


def uuid_of(text: str, param: str) -> UUID:
    """Return an id, or complain by name."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput(f"{param} = {text[:MAX_NAME_LENGTH]!r} is not a UUID;", param=param, remedy="send the answered id") from error


def name_of(text: str, param: str) -> str:
    """Return a name of 1 to 255 characters, or complain by name."""
    if not 1 <= len(text) <= MAX_NAME_LENGTH:
        raise InvalidInput(f"{param} has {len(text)} characters;", param=param, remedy=f"send 1 to {MAX_NAME_LENGTH}")
    return text


def key_of(request: web.Request) -> str | None:
    """Return the caller's own key of this request, or complain by name."""
    return name_of(request.headers[KEY], KEY) if KEY in request.headers else None


def whole_of(request: web.Request, param: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`, or complain by name."""
    text = request.query.get(param)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise InvalidInput(f"{param} = {text[:MAX_NAME_LENGTH]!r} is not a whole number from 1 to {most};", param=param, remedy="send one")
    return int(text)


def number_of(text: str, param: str, *, most: float) -> float:
    """Return a number from 0 to `most`, or complain by name."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise InvalidInput(f"{param} = {text[:MAX_NAME_LENGTH]!r} is not a number from 0 to {most:g};", param=param, remedy="send one")
    return value


def time_of(request: web.Request, param: str) -> float | None:
    """Return a moment in unix seconds, given as those or as ISO 8601, or complain by name."""
    text = request.query.get(param)
    if text is None:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = _iso_s(text)
    if not (isfinite(moment) and 0 <= moment <= LATEST_S):
        raise InvalidInput(
            f"{param} = {text[:MAX_NAME_LENGTH]!r} is no time;",
            param=param,
            remedy="send unix seconds, or 2026-01-31T12:00:00Z",
        )
    return moment


def _iso_s(text: str) -> float:
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)  # a bare + in an address reads as a space
    except ValueError:
        return -1.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
