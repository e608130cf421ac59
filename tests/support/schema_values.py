"""Values of a JSON Schema, as far as pydantic writes them; fields nobody knows are left out."""

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=3)
FORMATS = {"uuid": st.uuids().map(str), "date-time": st.datetimes().map(lambda moment: moment.isoformat() + "Z")}
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
OBJECT, LONG = "object", 8  # more elements and letters than this find nothing more


def values_of(schema: Schema, root: Schema | None = None) -> st.SearchStrategy[Any]:
    """Return a strategy of the values a schema takes."""
    root = schema if root is None else root
    if "$ref" in schema:
        return st.deferred(lambda: values_of(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices is None and isinstance(schema.get("type"), list):
        choices = [{**schema, "type": name} for name in schema["type"]]
    if choices is not None:
        return st.one_of([values_of(item, root) for item in choices])
    return of_type(schema, root)


def of_type(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    """Return values of a schema that has one type, or none."""
    match schema.get("type"):
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return bounded(schema, st.integers)
        case "number":
            return bounded(schema, st.floats, allow_nan=False, allow_infinity=False)
        case "string":
            least, most = schema.get("minLength", 0), min(LONG, schema.get("maxLength", LONG))
            text = st.text(TEXT, min_size=least, max_size=most) if least <= most else st.nothing()
            return FORMATS.get(schema.get("format", ""), text)
        case "array":
            least, most = schema.get("minItems", 0), min(LONG, schema.get("maxItems", 3))
            return st.lists(values_of(schema.get("items", {}), root), min_size=least, max_size=max(least, most))
        case "object":
            return objects(schema, root)
        case _:
            return ANY


def bounded(schema: Schema, numbers: Any, **more: Any) -> st.SearchStrategy[Any]:
    """Return numbers within the bounds; JSON has no half-open strategies, so the ends are filtered."""
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    least, most = schema.get("minimum", above), schema.get("maximum", below)
    if least is not None and most is not None and least > most:
        return st.nothing()
    return numbers(least, most, **more).filter(lambda value: (above is None or value > above) and (below is None or value < below))


def objects(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    """Return objects: all that is required, and some of the rest."""
    fields = {name: values_of(item, root) for name, item in schema.get("properties", {}).items()}
    needed = {name: fields.get(name, ANY) for name in schema.get("required", ())}
    named = st.fixed_dictionaries(needed, optional={name: item for name, item in fields.items() if name not in needed})
    rest = schema.get("additionalProperties")
    if not isinstance(rest, dict):
        return named
    others = st.dictionaries(st.text(TEXT, min_size=1, max_size=LONG), values_of(rest, root), max_size=2)
    return st.builds(lambda other, own: {**{name: other[name] for name in other if name not in fields}, **own}, others, named)
