"""What led to the work in hand, told to every message that follows from it.

A context variable and not an argument: the parent concerns every message alike, and no service decides anything by it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

MAX_ID_LENGTH: Final = 255
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The event, and the W3C trace, that the work follows from; None where there is none."""

    event_id: str | None = None
    traceparent: str | None = None


_PARENT: ContextVar[Parent] = ContextVar("parent", default=Parent())  # noqa: B039 frozen


def parent() -> Parent:
    """Return what the work in hand follows from."""
    return _PARENT.get()


@contextmanager
def following(event_id: str | None, traceparent: str | None) -> Iterator[None]:
    """Let what is done inside follow from this event and trace; a trace context that is none is left out."""
    token = _PARENT.set(Parent(event_id=event_id[:MAX_ID_LENGTH] if event_id else None, traceparent=trace_context(traceparent)))
    try:
        yield
    finally:
        _PARENT.reset(token)


def trace_context(text: str | None) -> str | None:
    """Return a W3C traceparent, or None for anything else."""
    return text if text and _TRACEPARENT.fullmatch(text) else None
