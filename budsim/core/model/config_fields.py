"""Fields of a config under the several names they have."""

from collections.abc import Mapping
from typing import Any

from budsim.core.errors import UnsupportedModel

LARGEST = 10**9  # no field of a real config is larger; it guards the arithmetic behind


class Fields:
    """Reads a config's fields by any of their names; complains by name."""

    def __init__(self, config: Mapping[str, Any], model_id: str) -> None:
        self._config = config
        self.model_id = model_id

    def optional(self, *names: str) -> int | None:
        """Return the first field that holds a positive whole number."""
        for name in names:
            value = self._config.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
                continue
            if value > 0:
                return int(value)
        return None

    def number(self, *names: str, default: int | None = None) -> int:
        """Return the first field that holds a positive whole number, or complain."""
        found = self.optional(*names)
        if found is not None:
            return found
        if default is not None:
            return default
        raise UnsupportedModel(
            f"the config of {self.model_id} has no usable {names[0]} (found {self._config.get(names[0])!r})",
            param="pretrained_model_uri",
            remedy="name a text model whose config.json carries it",
        )

    def flag(self, *names: str) -> bool | None:
        """Return the first field that holds a truth value."""
        return next((value for name in names if isinstance(value := self._config.get(name), bool)), None)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of words, empty when there is none."""
        value = self._config.get(name)
        return tuple(str(item) for item in value) if isinstance(value, list) else ()
