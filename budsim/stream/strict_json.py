"""JSON that every reader, and PostgreSQL, can take; what cannot is named by its place."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

# signs of what Python reads and others do not: no numbers, numbers beyond a float, the character 0, half a surrogate pair
_SUSPECT: Final = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\d{300}|\\u0000|\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SHOWN: Final = 40  # characters of a name in a reason


class NotJson(ValueError):
    """The text is JSON to nobody, or to nobody else."""


def strict_json(value: bytes) -> Any:
    """Return the content of a JSON text in UTF-8.

    Raises:
        NotJson: It is none, with the position; or a field holds what is no JSON, with its path.
        RecursionError: It is nested too deep.
    """
    try:
        text = value.decode("utf-8-sig")
        body = json.loads(text)
    except ValueError as error:
        raise NotJson(str(error)) from error
    if _SUSPECT.search(text):
        for path, item in _leaves(body, ""):
            fault = _fault(item)
            if fault:
                raise NotJson(f"{path or 'the value'} {fault}")
    return body


def _leaves(item: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every number, text and field name with its path."""
    if isinstance(item, dict):
        for name, inner in item.items():
            yield path or "a field name", name
            yield from _leaves(inner, f"{path}.{_readable(name)}" if path else _readable(name))
    elif isinstance(item, list):
        for number, inner in enumerate(item):
            yield from _leaves(inner, f"{path}.{number}" if path else str(number))
    else:
        yield path, item


def _fault(item: Any) -> str:
    """Return what is wrong with a leaf, empty when nothing is."""
    match item:
        case float() if math.isnan(item):
            return "= NaN is not a JSON number"
        case float() if math.isinf(item):
            return f"= {'-' if item < 0 else ''}Infinity is beyond what a number can be"
        case str() if "\0" in item:
            return "holds the character \\u0000"
        case str() if _SURROGATE.search(item):
            return "holds half a surrogate pair, which is no character"
        case _:
            return ""


def _readable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()[:_SHOWN]
