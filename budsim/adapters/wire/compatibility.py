"""Which changes of a message's schema break its callers.

Every value that was valid must stay valid where BudSim reads; every value that is sent must be one that readers expected where
BudSim writes; and no field that was there may go. What the comparison does not understand counts as a break.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from topics.contract import Direction

Schema = Mapping[str, Any]
_ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "discriminator", "$schema", "$id", "$defs", "readOnly", "writeOnly"}
)
_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_CHOICES: Final = frozenset({"$ref", "anyOf", "oneOf"})
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "properties", "required", "items", "prefixItems", "additionalProperties", "exclusiveMinimum"}
    | {"exclusiveMaximum", *_LOWER, *_UPPER}
)


def breaking_changes(old: Schema, new: Schema, direction: Direction) -> list[str]:
    """Return what of a change breaks callers, each with its place; empty for a compatible change."""
    found: dict[str, None] = {}
    if direction.is_read:
        found |= dict.fromkeys(_Comparison(given=old, taken=new, removed_from_taken=True).gaps(old, new, "$"))
    if direction.is_written:
        found |= dict.fromkeys(_Comparison(given=new, taken=old, removed_from_taken=False).gaps(new, old, "$"))
    return list(found)


@dataclass(slots=True, kw_only=True)
class _Comparison:
    """Is every value of `given` one of `taken`? `removed_from_taken` says on which side a field that has gone is missing."""

    given: Schema
    taken: Schema
    removed_from_taken: bool
    _open: set[tuple[int, int]] = field(default_factory=set)

    def gaps(self, given: Schema, taken: Schema, path: str) -> list[str]:
        """Return why a value of one may not be one of the other."""
        pair = (id(given), id(taken))
        if pair in self._open:  # a schema that holds itself
            return []
        self._open.add(pair)
        try:
            choices = list(_alternatives(taken, self.taken))
            return [gap for item in _alternatives(given, self.given) for gap in self._nearest(item, choices, path)]
        finally:
            self._open.discard(pair)

    def _nearest(self, given: Schema, choices: Sequence[Schema], path: str) -> list[str]:
        """Return the gaps to that alternative which comes nearest."""
        found = [list(self._single(given, choice, path)) for choice in choices]
        return min(found, key=len) if found else [f"{path}: nothing is taken any more"]

    def _single(self, given: Schema, taken: Schema, path: str) -> Iterator[str]:
        if not set(taken) - _ANNOTATIONS:
            return
        yield from self._other_keywords(given, taken, path)
        if _values(taken):
            if not _values(given) or not all(_among(value, _values(taken)) for value in _values(given)):
                yield f"{path}: {_named(given)} is not among {_values(taken)}"
            return
        if not _type_is_taken(given, taken):
            yield f"{path}: {_named(given)} where {_named(taken)} is expected"
            return
        yield from _bounds(given, taken, path)
        yield from self._object(given, taken, path)
        yield from self._array(given, taken, path)

    def _other_keywords(self, given: Schema, taken: Schema, path: str) -> Iterator[str]:
        for name in sorted(set(taken) - _ANNOTATIONS - _STRUCTURE):
            if given.get(name) != taken[name]:
                yield f"{path}: {name} is {taken[name]!r} on one side and {given.get(name)!r} on the other"

    def _object(self, given: Schema, taken: Schema, path: str) -> Iterator[str]:
        ours, theirs = given.get("properties", {}), taken.get("properties", {})
        old, new = (ours, theirs) if self.removed_from_taken else (theirs, ours)
        yield from (f"{path}.{name}: the field was removed" for name in old if name not in new)
        missing = set(taken.get("required", ())) - set(given.get("required", ()))
        yield from (f"{path}.{name}: the field must be there, and was optional" for name in sorted(missing) if name in theirs)
        for name in ours:
            if name in theirs:
                yield from self.gaps(ours[name], theirs[name], f"{path}.{name}")
        yield from self._rest(given.get("additionalProperties", True), taken.get("additionalProperties", True), f"{path}.*")

    def _rest(self, given: Any, taken: Any, path: str) -> Iterator[str]:
        """Compare what fields without a name may hold; a model that ignores them says nothing."""
        if taken is True:
            return
        if given is False:
            return
        if taken is False:
            yield f"{path}: unknown fields are refused, and were not"
            return
        yield from self.gaps({} if given is True else given, taken, path)

    def _array(self, given: Schema, taken: Schema, path: str) -> Iterator[str]:
        if given.get("prefixItems") != taken.get("prefixItems"):
            yield f"{path}: prefixItems changed"
        if "items" in taken:
            yield from self.gaps(given.get("items", {}), taken["items"], f"{path}[]")


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the schema's alternatives with every reference followed; what stands beside one holds for each."""
    choices = _choices(schema, root)
    if choices is None:
        yield schema
        return
    left_out = _ANNOTATIONS | _CHOICES | ({"type"} if isinstance(schema.get("type"), list) else set())
    beside = {name: value for name, value in schema.items() if name not in left_out}
    for choice in choices:
        for item in _alternatives(choice, root):
            yield _both(item, beside)


def _both(one: Schema, other: Schema) -> Schema:
    """Return what holds where both schemas do; where they say different things of one keyword, `allOf` tells that it is not understood."""
    torn = {name: (one[name], other[name]) for name in one if name in other and name != "required" and one[name] != other[name]}
    required = {"required": [*one.get("required", ()), *other.get("required", ())]} if "required" in other else {}
    return {**one, **other, **required, **({"allOf": torn} if torn else {})}


def _choices(schema: Schema, root: Schema) -> Sequence[Schema] | None:
    """Return what a schema leaves the choice of; None where it leaves none."""
    if "$ref" in schema:
        return [root["$defs"][schema["$ref"].removeprefix("#/$defs/")]]
    if isinstance(schema.get("type"), list):
        return [{"type": name} for name in schema["type"]]
    found: Sequence[Schema] | None = schema.get("anyOf") or schema.get("oneOf")
    return found


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _among(value: Any, values: Sequence[Any]) -> bool:
    return any(type(value) is type(item) and value == item for item in values)


def _named(schema: Schema) -> str:
    values = _values(schema)
    return str(values) if values else str(schema.get("type", "anything"))


def _type_is_taken(given: Schema, taken: Schema) -> bool:
    one, other = given.get("type"), taken.get("type")
    return other is None or one == other or (one == "integer" and other == "number")


def _bounds(given: Schema, taken: Schema, path: str) -> Iterator[str]:
    if _values(given) and any(name in taken for name in (*_LOWER, *_UPPER, "exclusiveMinimum", "exclusiveMaximum")):
        yield f"{path}: values of {_values(given)} may lie out of bounds"
        return
    for names, sign in (((*_LOWER, "exclusiveMinimum"), 1), ((*_UPPER, "exclusiveMaximum"), -1)):
        for name in names:
            if name in taken and not _within(given, taken, name, sign):
                yield f"{path}: {name} is {taken[name]} on one side and {given.get(name, 'open')} on the other"


def _within(given: Schema, taken: Schema, name: str, sign: int) -> bool:
    """Whether a bound of `given` is at least as tight as one of `taken`; sign is 1 for lower bounds."""
    limit = sign * taken[name]
    other = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
    swapped = {value: key for key, value in other.items()}
    if name in given and sign * given[name] >= limit:
        return True
    if name in other and other[name] in given:
        return bool(sign * given[other[name]] >= limit)
    return name in swapped and swapped[name] in given and bool(sign * given[swapped[name]] > limit)
