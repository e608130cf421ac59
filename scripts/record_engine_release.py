"""Record what one release of an engine accepts: flags, environment variables, names of parsers, and the architectures in its registry.

    pip download --no-deps --only-binary :all: vllm==0.11.2 && unzip -q vllm-*.whl 'vllm/*.py' -d unpacked
    python scripts/record_engine_release.py vllm 0.11.2 unpacked

The release's source is read, never imported: an engine needs a GPU's libraries to start, its argument definitions do not.
"""

import ast
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

RELEASES: Final = Path(__file__).parents[1] / "budsim/core/engines/releases"
CHOICES_SHOWN_AS_HINTS: Final = {"tool-call-parser": "tool", "reasoning-parser": "reasoning"}
MODEL_GROUPS: Final = (
    "TEXT_GENERATION",
    "EMBEDDING",
    "CROSS_ENCODER",
    "SEQUENCE_CLASSIFICATION",
    "MULTIMODAL",
    "REWARD",
    "LATE_INTERACTION",
)

KINDS: Final = (
    ({"bool"}, "switch"),
    ({"list", "tuple", "set", "List", "Sequence"}, "list"),
    ({"int"}, "int"),
    ({"float"}, "float"),
    ({"dict", "Dict"}, "json"),
)

Flags = dict[str, str]


class Source:
    """The Python files of an unpacked release, and what is assigned at the top level of any of them."""

    def __init__(self, root: Path, folders: Iterable[str]) -> None:
        self.root = root
        paths = sorted({path for folder in folders for path in _python_files(root / folder)})
        self.trees = {path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8-sig")) for path in paths}
        self.assigned: dict[str, ast.expr] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        for tree in self.trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self.classes.setdefault(node.name, node)
                for name, value in _assignments(node):
                    self.assigned.setdefault(name, value)

    def values(self, node: ast.expr | None) -> list[str]:
        """Return the strings and numbers an expression lists; a dictionary lists its keys."""
        if isinstance(node, ast.Constant):
            return [] if node.value is None or isinstance(node.value, bool) else [str(node.value)]
        return [value for inner in self._listed(node) for value in self.values(inner)]

    def _listed(self, node: ast.expr | None) -> list[ast.expr]:
        """Return the expressions whose values an expression is made of."""
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                found = items
            case ast.Dict(keys=keys):
                found = [key for key in keys if key is not None]
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found = [self.assigned[name]] if name in self.assigned else []
            case ast.BinOp(left=left, right=right):
                found = [left, right]
            case ast.Call(func=ast.Attribute(value=inner, attr="keys")) | ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
                found = [inner]
            case ast.Call(func=ast.Name(id="list" | "sorted" | "set" | "tuple" | "get_args"), args=[inner, *_]):
                found = [inner]
            case _:
                found = []
        return found

    def kind_of(self, hint: ast.expr | None) -> str:
        """Return what a flag takes whose dataclass field has this annotation, by vLLM's own order of preference."""
        parts = list(self._parts(hint))
        literals = [value for part in parts if isinstance(part, ast.Subscript) for value in self.values(part)]
        outer = {part.id for part in parts if isinstance(part, ast.Name)}
        outer |= {part.value.id for part in parts if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name)}
        if any(_is_dataclass(self.classes[name]) for name in outer if name in self.classes):
            return "json"
        if "bool" not in outer and "Literal" in outer:
            return "str" if "str" in outer else "|".join(sorted(set(literals)))
        return next((kind for names, kind in KINDS if outer & names), "str")

    def is_whole(self, node: ast.expr | None) -> bool:
        """Return whether an expression is a whole number, as click takes the type of an option from its default."""
        match node:
            case ast.Constant(value=bool()):
                return False
            case ast.Constant(value=int()) | ast.Call(func=ast.Name(id="int" | "get_env_int")):
                return True
            case ast.Name(id=name) if name in self.assigned:
                return self.is_whole(self.assigned[name])
        return False

    def _parts(self, hint: ast.expr | None) -> Iterator[ast.expr]:
        match hint:
            case None:
                return
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                yield from self._parts(left)
                yield from self._parts(right)
            case ast.Subscript(value=ast.Name(id="Union" | "Optional"), slice=inner):
                for item in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                    yield from self._parts(item)
            case ast.Subscript(value=ast.Name(id="Annotated" | "A" | "SkipValidation" | "ClassVar"), slice=inner):
                yield from self._parts(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
            case ast.Constant(value=str(text)):
                yield from self._parts(ast.parse(text, mode="eval").body)
            case ast.Name(id=name) if name in self.assigned and name not in self.classes:
                yield from self._parts(self.assigned[name])
            case _:
                yield hint


def vllm_flags(source: Source) -> Flags:
    """Return the flags of `vllm serve`: the engine's, from its config classes, and the server's."""
    flags: Flags = {}
    for name, tree in source.trees.items():
        if name.endswith(("arg_utils.py", "cli_args.py")):
            owners = _config_of_variables(tree)
            flags |= {flag: kind for call in _add_argument_calls(tree) for flag, kind in _vllm_flag(source, call, owners)}
    for name in ("BaseFrontendArgs", "FrontendArgs"):
        flags |= {_dashed(field): source.kind_of(hint) for field, hint in _fields(source.classes.get(name))}
    registered = {"tool": _registered(source, "tool_parsers"), "reasoning": _registered(source, "reasoning")}
    variables = dict.fromkeys(source.values(source.assigned.get("environment_variables")), "env")
    formats = _formats(source)
    shown = {**{flag: registered[kind] for flag, kind in CHOICES_SHOWN_AS_HINTS.items()}, "quantization": formats}
    return flags | variables | {flag: "|".join(sorted(names)) for flag, names in shown.items() if names}


def _formats(source: Source) -> list[str]:
    """Return the formats of weights a release loads, which its flag takes as any word."""
    tree = source.trees.get("vllm/model_executor/layers/quantization/__init__.py", ast.Module(body=[], type_ignores=[]))
    listed = (value for node in tree.body for name, value in _assignments(node) if name.lower().startswith("quantization"))
    return source.values(next(listed, None))


def sglang_flags(source: Source) -> Flags:
    """Return the flags of `sglang.launch_server`, from its calls of add_argument and, since 0.5.1x, from its annotated fields."""
    flags: Flags = {}
    for name, tree in source.trees.items():
        if "arg_groups/fields" in name:
            for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
                flags |= {flag: kind for field, hint in _fields(owner) for flag, kind in _sglang_field(source, field, hint)}
    for call in _add_argument_calls(source.trees["sglang/srt/server_args.py"]):
        flags |= _explicit(source, call)
    parsers = {"tool-call-parser": "ToolCallParserEnum", "reasoning-parser": "DetectorMap"}
    return flags | {flag: "|".join(sorted(source.values(source.assigned[table]))) for flag, table in parsers.items()}


def vllm_models(source: Source) -> dict[str, str]:
    """Return the registry's architectures and the group each stands in."""
    tables = {f"_{group}_MODELS": group.lower() for group in MODEL_GROUPS}
    found: dict[str, str] = {}
    for table, group in tables.items():
        found |= {name: group for name in source.values(source.assigned.get(table)) if name not in found}
    return found


def sglang_models(source: Source) -> dict[str, str]:
    """Return the classes that SGLang's model files export: their names are the architectures."""
    files = (tree for name, tree in source.trees.items() if name.startswith("sglang/srt/models/"))
    entries = (value for tree in files for node in tree.body for name, value in _assignments(node) if name == "EntryClass")
    classes = (item.id for entry in entries for item in ast.walk(entry) if isinstance(item, ast.Name))
    return {name: "model" for name in sorted(classes) if not name.endswith(("NextN", "MTP", "Eagle", "Eagle3"))}


def litellm_flags(source: Source) -> Flags:
    """Return the options of the `litellm` command."""
    calls = (node for tree in source.trees.values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    options = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "option")
    return {flag: kind for call in options for flag, kind in _explicit(source, call).items()}


def _vllm_flag(source: Source, call: ast.Call, owners: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for spread in (inner for keyword in call.keywords if keyword.arg is None for inner in ast.walk(keyword.value)):
        match spread:
            case ast.Subscript(value=ast.Name(id=variable), slice=ast.Constant(value=str(field))) if variable in owners:
                hints = dict(_fields(source.classes[owners[variable]]))
                yield from ((flag, source.kind_of(hints.get(field))) for flag in _names(call))
                return
    yield from _explicit(source, call).items()


def _explicit(source: Source, call: ast.Call) -> Flags:
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    action, choices = ast.unparse(given.get("action", ast.Constant(""))), source.values(given.get("choices"))
    kind = ast.unparse(given.get("type", ast.Constant("")))
    if "BooleanOptional" in action:
        return dict.fromkeys(_names(call), "switch")
    if "StoreBoolean" in action:
        return dict.fromkeys(_names(call), "False|True")
    if "store_true" in action.lower() or "StoreTrue" in action or "is_flag" in given:
        return dict.fromkeys(_names(call), "flag")
    if choices:
        return dict.fromkeys(_names(call), "|".join(sorted(set(choices))))
    if kind == "''" and source.is_whole(given.get("default")):
        kind = "int"
    known = {"int": "int", "float": "float", "json.loads": "json"}
    return dict.fromkeys(_names(call), next((known[name] for name in known if name in kind), "str"))


def _sglang_field(source: Source, field: str, hint: ast.expr | None) -> Iterator[tuple[str, str]]:
    match hint:
        case ast.Subscript(value=ast.Name(id="A"), slice=ast.Tuple(elts=[kind, ast.Call() as meta, *_])):
            given = {keyword.arg: keyword.value for keyword in meta.keywords}
            if "no_cli" in given:
                return
            choices = source.values(given.get("choices"))
            value = "|".join(sorted(set(choices))) if choices else source.kind_of(kind)
            names = [*source.values(given.get("cli_name")), *source.values(given.get("aliases"))]
            names = names if "cli_name" in given else [_dashed(field), *names]
            yield from ((name.removeprefix("--"), "flag" if value == "switch" else value) for name in names)
        case ast.Subscript(value=ast.Name(id="A"), slice=ast.Tuple(elts=[kind, *_])):
            value = source.kind_of(kind)
            yield _dashed(field), "flag" if value == "switch" else value


def _registered(source: Source, folder: str) -> list[str]:
    names: set[str] = set()
    for path, tree in source.trees.items():
        if folder not in path:
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.endswith("_TO_REGISTER"):
                    names |= set(source.values(value))
                case ast.Call(func=ast.Attribute(attr="register_module"), args=args, keywords=keywords):
                    names |= {value for given in (*args, *(k.value for k in keywords if k.arg == "name")) for value in source.values(given)}
    return sorted(names)


def _config_of_variables(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=variable)], value=ast.Call(func=ast.Name(id="get_kwargs"), args=[ast.Name(id=owner)])):
                found[variable] = owner
    return found


def _add_argument_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            yield node


def _names(call: ast.Call) -> list[str]:
    given = [item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return [name.removeprefix("--") for name in given if name.startswith("--")]


def _fields(owner: ast.ClassDef | None) -> list[tuple[str, ast.expr]]:
    body = owner.body if owner else []
    return [(node.target.id, node.annotation) for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.Assign(targets=[ast.Attribute(attr=name)], value=value):
            yield name, value


def _is_dataclass(owner: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(mark) or "config" in ast.unparse(mark) for mark in owner.decorator_list)


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []


def _dashed(field: str) -> str:
    return field.replace("_", "-")


READERS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Source], Flags], Callable[[Source], dict[str, str]]]]] = {
    "vllm": (
        (
            "vllm/engine/arg_utils.py",
            "vllm/envs.py",
            "vllm/config.py",
            "vllm/config",
            "vllm/entrypoints/openai/cli_args.py",
            "vllm/entrypoints/common/cli_args.py",
            "vllm/entrypoints/openai/tool_parsers",
            "vllm/tool_parsers",
            "vllm/reasoning",
            "vllm/entrypoints/openai/reasoning_parsers",
            "vllm/model_executor/models/registry.py",
            "vllm/model_executor/layers/quantization/__init__.py",
        ),
        vllm_flags,
        vllm_models,
    ),
    "sglang": (
        (
            "sglang/srt/server_args.py",
            "sglang/srt/arg_groups",
            "sglang/srt/function_call",
            "sglang/srt/parser",
            "sglang/srt/reasoning_parser.py",
            "sglang/srt/models",
        ),
        sglang_flags,
        sglang_models,
    ),
    "litellm": (("litellm/proxy/proxy_cli.py", "litellm/constants.py"), litellm_flags, lambda _: {}),
}


def main(engine: str, version: str, folder: str) -> None:
    """Write the two files of a release."""
    folders, flags_of, models_of = READERS[engine]
    source = Source(Path(folder), folders)
    _write(RELEASES / f"{engine}-{version}.csv", ("name", "kind"), flags_of(source))
    if models := models_of(source):
        _write(RELEASES / f"{engine}-{version}-models.csv", ("architecture", "group"), models)


def _write(path: Path, header: tuple[str, str], rows: Mapping[str, str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(sorted(rows.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
