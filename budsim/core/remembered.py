"""Results of functions of values that never change, kept by the identity of the values."""

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
MOST: Final = 512  # results a function keeps; a model takes some kilobytes


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function with a memory of what it answered for the same objects.

    functools.lru_cache asks for a hash and compares; of a model, hashing all its layers takes longer than the formulas it is for. The
    arguments are kept beside the answer, so that their identity is not given to another object. A full memory is forgotten at once.

    Args:
        function: Pure, of positional arguments that are never changed.
    """
    known: dict[tuple[int, ...], tuple[object, T]] = {}

    @wraps(function)
    def answered(*args: P.args, **kwargs: P.kwargs) -> T:
        key = tuple(map(id, args))
        found = known.get(key)
        if found is not None:
            return found[1]
        result = function(*args, **kwargs)
        if len(known) >= MOST:
            known.clear()
        known[key] = (args, result)
        return result

    return answered
