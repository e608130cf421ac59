"""Results of functions of values that never change, kept by the identity of the values."""

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")
MOST: Final = 512  # results a function keeps; a model takes some kilobytes


def remembered(function: Callable[P, T], *, most: int = MOST) -> Callable[P, T]:
    """Return the function with a memory of what it answered for the same objects.

    functools.lru_cache asks for a hash and compares; of a model, hashing all its layers takes longer than the formulas it is for. The
    arguments are kept beside the answer, so that their identity is not given to another object. A full memory is forgotten at once.

    Args:
        function: Pure, of positional arguments that are never changed.
        most: Answers that are kept, with their arguments.
    """
    return _of_one(function, most) if function.__code__.co_argcount == 1 else _of_several(function, most)


def _of_one(function: Callable[..., T], most: int) -> Callable[..., T]:
    known: dict[int, tuple[object, T]] = {}

    @wraps(function)
    def answered(value: object) -> T:
        found = known.get(id(value))
        return found[1] if found is not None else _kept(known, id(value), (value, function(value)), most)

    return answered


def _of_several(function: Callable[..., T], most: int) -> Callable[..., T]:
    known: dict[tuple[int, ...], tuple[object, T]] = {}

    @wraps(function)
    def answered(*values: object) -> T:
        key = tuple(map(id, values))
        found = known.get(key)
        return found[1] if found is not None else _kept(known, key, (values, function(*values)), most)

    return answered


def _kept(known: dict[K, tuple[object, T]], key: K, answer: tuple[object, T], most: int) -> T:
    if len(known) >= most:
        known.clear()
    known[key] = answer
    return answer[1]
