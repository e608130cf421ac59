"""Fields of a config under the several names they have, and what its type's library takes where the config says nothing."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from budsim.core.errors import UnsupportedModel

LARGEST = 10**9  # no field of a real config is larger; it guards the arithmetic behind


@cache
def type_defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return, by model type, the fields its configuration class fills in.

    Source:
        The configuration classes of transformers 5.17.0 (Apache-2.0), field defaults only; a test compares them with AutoConfig.
    """
    found: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath("config_defaults.json").read_text(encoding="utf-8"))
    return found


class Fields:
    """Reads a config's fields by any of their names; complains by name.

    A field that is there and null means «has none», and no default replaces it.
    """

    def __init__(self, config: Mapping[str, Any], model_id: str, *, sparse: bool = False) -> None:
        """Take the config; a `sparse` one keeps only what differs from its type's defaults, so that even its sizes may be left out."""
        self._config = config
        self._sparse = sparse
        self.model_id = model_id
        self.model_type = str(config.get("model_type") or "unknown")
        self._defaults = type_defaults().get(self.model_type, {})
        self._asked: set[str] = set()

    def optional(self, *names: str) -> int | None:
        """Return the first field that holds a positive whole number, or the type's default."""
        self._asked.update(names)
        found = _positive(self._config, names)
        if found is None and not any(name in self._config for name in names):
            return _positive(self._defaults, names)
        return found

    def number(self, *names: str) -> int:
        """Return the first field that holds a positive whole number, or complain."""
        found = self.optional(*names)
        return self._missing(names) if found is None else found

    def size(self, *names: str) -> int:
        """Return a field the whole shape hangs on: only a sparse config may leave it to the default."""
        found = self.optional(*names)
        if not self._sparse and _positive(self._config, names) is None:
            return self._missing(names)
        return self._missing(names) if found is None else found

    def flag(self, *names: str) -> bool | None:
        """Return the first field that holds a truth value, or the type's default."""
        self._asked.update(names)
        for source in (self._config, self._defaults):
            found = next((value for name in names if isinstance(value := source.get(name), bool)), None)
            if found is not None:
                return found
        return None

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of words, empty when there is none."""
        value = self._value(name)
        return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers, empty when there is none."""
        value = self._value(name)
        whole = isinstance(value, list | tuple) and all(isinstance(item, int) and 0 <= item <= LARGEST for item in value)
        return tuple(value) if whole and value else ()

    def real(self, name: str) -> float | None:
        """Return a positive number, or the type's default."""
        found = self._value(name, self._defaults.get(name))
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if is_number and 0 < found <= LARGEST else None

    def text(self, name: str) -> str:
        """Return a word, empty when there is none."""
        value = self._value(name)
        return value if isinstance(value, str) else ""

    def numbers_in(self, section: str, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers of a nested object, empty when there is none."""
        return Fields(self.section(section), self.model_id).numbers(name)

    def states(self, name: str) -> bool:
        """Whether the config or its type's defaults say something of it."""
        return bool(self._value(name, self._defaults.get(name)))

    def sections(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """Return a list of nested objects, empty when there is none."""
        value = self._value(name)
        return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list | tuple) else ()

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a nested object, empty when there is none."""
        value = self._value(name)
        return value if isinstance(value, Mapping) else {}

    def has(self, name: str) -> bool:
        """Whether the config itself says something other than nothing, zero or false."""
        return bool(self._value(name))

    def unread(self) -> tuple[str, ...]:
        """Return the fields no reader has asked for, of those that say something."""
        said = (name for name, value in self._config.items() if value not in (None, False, 0, "", [], {}))
        return tuple(sorted(name for name in said if name not in self._asked))

    def _value(self, name: str, otherwise: object = None) -> Any:
        self._asked.add(name)
        return self._config.get(name, otherwise)

    def _missing(self, names: tuple[str, ...]) -> int:
        raise UnsupportedModel(
            f"the config of {self.model_id} has no usable {names[0]} (found {self._config.get(names[0])!r})",
            param="pretrained_model_uri",
            remedy="name a text model whose config.json carries it",
        )


def _positive(source: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = source.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= LARGEST:
            continue
        return int(value)
    return None
