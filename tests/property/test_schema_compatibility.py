"""Every kind of incompatible change of a message is seen, every compatible one passes, and what passes never breaks a value."""

import copy
import pickle
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from budsim.adapters.wire.compatibility import breaking_changes
from budsim.adapters.wire.schemas import message_schema
from tests.support.schema_values import values_of
from topics.contract import CONVERSATIONS, Conversation, Direction
from topics.searches import SearchRequested

Schema = dict[str, Any]
DISTINCT = [item for item in CONVERSATIONS if item.event is not SearchRequested]  # holds what EvaluationRequested holds, and takes as long
Change = Callable[[Schema], bool]  # changes a node in place; False where it does not apply


def nodes(schema: Any) -> Iterator[Schema]:
    """Every schema within a schema."""
    if isinstance(schema, dict):
        yield schema
        for name, inner in schema.items():
            if name in ("properties", "$defs"):
                for item in inner.values():
                    yield from nodes(item)
            elif name in ("items", "additionalProperties"):
                yield from nodes(inner)
            elif name in ("anyOf", "oneOf"):
                for item in inner:
                    yield from nodes(item)


def required_more(node: Schema) -> bool:
    optional = [name for name in node.get("properties", {}) if name not in node.get("required", [])]
    if optional:
        node["required"] = node.get("required", []) + optional[:1]
    return bool(optional)


def required_new_field(node: Schema) -> bool:
    if "properties" not in node:
        return False
    node["properties"]["brand_new"] = {"type": "string"}
    node["required"] = [*node.get("required", []), "brand_new"]
    return True


def required_less(node: Schema) -> bool:
    if not node.get("required"):
        return False
    node["required"] = node["required"][1:]
    return True


def field_removed(node: Schema) -> bool:
    for name in node.get("properties", {}):
        del node["properties"][name]
        node["required"] = [item for item in node.get("required", []) if item != name]
        return True
    return False


def retyped(node: Schema) -> bool:
    other = {"string": "boolean", "integer": "string", "number": "string", "boolean": "number", "array": "string"}
    if str(node.get("type")) not in other or "enum" in node or "const" in node:
        return False
    node["type"] = other[node["type"]]
    return True


def bounded_more(node: Schema) -> bool:
    bounds = {"integer": ("maximum", 10), "number": ("maximum", 10), "string": ("maxLength", 3), "array": ("maxItems", 1)}
    if str(node.get("type")) not in bounds or "enum" in node or "const" in node:
        return False
    name, value = bounds[node["type"]]
    node[name] = min(value, node.get(name, value) - 1) if name in node else value
    return True


def raised_floor(node: Schema) -> bool:
    if "minimum" not in node:
        return False
    node["minimum"] += 1
    return True


def bounds_lifted(node: Schema) -> bool:
    lifted = [name for name in ("maximum", "maxLength", "maxItems") if name in node]
    for name in lifted:
        del node[name]
    return bool(lifted)


def choice_removed(node: Schema) -> bool:
    if len(node.get("enum", ())) < 2:
        return False
    node["enum"] = node["enum"][1:]
    return True


def choice_added(node: Schema) -> bool:
    if "enum" not in node:
        return False
    node["enum"] = [*node["enum"], "something new"]
    return True


def null_refused(node: Schema) -> bool:
    kept = [item for item in node.get("anyOf", ()) if item.get("type") != "null"]
    if len(kept) == len(node.get("anyOf", ())):
        return False
    node["anyOf"] = kept
    return True


def null_taken(node: Schema) -> bool:
    for name, inner in node.get("properties", {}).items():
        if str(inner.get("type")) in ("string", "integer", "number", "boolean"):
            node["properties"][name] = {"anyOf": [inner, {"type": "null"}]}
            return True
    return False


def optional_field_added(node: Schema) -> bool:
    if "properties" not in node:
        return False
    node["properties"]["brand_new"] = {"type": "string", "default": ""}
    return True


def described_otherwise(node: Schema) -> bool:
    node["description"] = "said in other words"
    return True


NARROWING = [required_more, required_new_field, retyped, bounded_more, raised_floor, choice_removed, null_refused]
WIDENING = [required_less, retyped, bounds_lifted, choice_added, null_taken]
NEVER = [field_removed]
ALWAYS = [optional_field_added, described_otherwise]


def changed(old: Schema, change: Change) -> list[tuple[Schema, str]]:
    """Every schema that one change somewhere makes of this one."""
    found = []
    packed = pickle.dumps(old)
    for number in range(len(list(nodes(old)))):
        new = pickle.loads(packed)
        node = next(islice(nodes(new), number, None))
        if change(node) and new != old:
            found.append((new, str(number)))
    return found


@pytest.mark.parametrize("conversation", DISTINCT, ids=lambda item: item.event.__name__)
def test_each_incompatible_change_anywhere_in_a_message_is_seen(conversation: Conversation) -> None:
    old = message_schema(conversation)
    changes = [*NEVER, *(NARROWING if conversation.direction.is_read else ()), *(WIDENING if conversation.direction.is_written else ())]
    seen = 0
    for change in changes:
        for new, place in changed(old, change):
            assert breaking_changes(old, new, conversation.direction), f"{change.__name__} at node {place}"
            seen += 1
    assert seen >= len(NEVER) + 3


@pytest.mark.parametrize("conversation", DISTINCT, ids=lambda item: item.event.__name__)
def test_each_compatible_change_anywhere_in_a_message_passes(conversation: Conversation) -> None:
    old = message_schema(conversation)
    one_way = {Direction.INPUT: [required_less, bounds_lifted, choice_added, null_taken], Direction.INTERNAL: []}
    changes = [*ALWAYS, *one_way.get(conversation.direction, [bounded_more, choice_removed, null_refused])]
    for change in changes:
        for new, place in changed(old, change):
            assert breaking_changes(old, new, conversation.direction) == [], f"{change.__name__} at node {place}"


def test_what_stands_beside_a_choice_holds_with_what_the_choice_says() -> None:
    shape = {"type": "object", "properties": {"x": {"type": "integer"}}}
    old = {"anyOf": [shape]}
    needed = {"anyOf": [shape | {"required": ["x"]}], "required": []}
    torn = {"anyOf": [{"type": "integer", "minimum": 5}], "minimum": 1}
    assert breaking_changes(old, needed, Direction.INPUT) == ["$.x: the field must be there, and was optional"]
    assert breaking_changes({"type": "integer", "minimum": 1}, torn, Direction.INPUT)


def test_a_reason_names_the_field_and_both_sides() -> None:
    requests = CONVERSATIONS[0]
    old = message_schema(requests)
    new = copy.deepcopy(old)
    new["properties"]["input_tokens"]["maximum"] = 4096
    assert breaking_changes(old, new, requests.direction) == ["$.input_tokens: maximum is 4096 on one side and 10000000 on the other"]


SCALARS = st.one_of(
    st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": st.integers(-3, 0), "maximum": st.integers(1, 5)}),
    st.fixed_dictionaries({"type": st.just("number")}, optional={"exclusiveMinimum": st.integers(-3, 0), "maximum": st.integers(1, 5)}),
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": st.integers(0, 1), "maxLength": st.integers(2, 4)}),
    st.lists(st.sampled_from(["a", "b", 1, 2, True, None]), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": "a"}, {}, {"type": ["string", "null"]}]),
)


def compound(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    named = st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    return st.one_of(
        st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, inner, st.integers(0, 3)),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda rest: {"type": "object", "additionalProperties": rest}, inner),
        st.builds(
            lambda fields, needed: {"type": "object", "properties": fields, "required": sorted(needed & fields.keys())},
            named,
            st.sets(st.sampled_from("xyz")),
        ),
    )


SCHEMAS = st.recursive(SCALARS, compound, max_leaves=4)


def replaced_by(schema: Schema) -> Change:
    def replaced(node: Schema) -> bool:
        node.clear()
        node.update(copy.deepcopy(schema))
        return True

    return replaced


SMALL_CHANGES = st.sampled_from([*NARROWING, *WIDENING, *ALWAYS]) | SCALARS.map(replaced_by)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS, st.lists(SMALL_CHANGES, min_size=1, max_size=2), st.data())
def test_a_value_that_was_valid_stays_valid_after_any_change_that_passes(old: Schema, changes: list[Change], data: st.DataObject) -> None:
    new = copy.deepcopy(old)
    for change in changes:
        change(data.draw(st.sampled_from(list(nodes(new)))))
    assume(not breaking_changes(old, new, Direction.INPUT))
    jsonschema.validate(data.draw(values_of(old)), new, cls=jsonschema.Draft202012Validator)
