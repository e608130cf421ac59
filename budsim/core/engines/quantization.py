"""Which stored formats of weights a release runs on which devices, from quantizations.csv."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from budsim.core.engines.releases import Release, accepted, version_key
from budsim.core.engines.tables import rows
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.quantize import METHODS
from budsim.core.model.spec import ModelSpec

# formats that go by several names, compressed-tensors' among them; bitsandbytes goes by its own, and vLLM 0.33 has it no more
_MANY_NAMES: Final = frozenset({"compressed-tensors", *(form.method for form in METHODS.values())}) - {"bitsandbytes"}
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {"auto-round": ("inc",)}  # vLLM's name for it since 0.15


def runs_quantization(model: ModelSpec, release: Release, device_type: DeviceType) -> bool:
    """Whether a release loads the model's format, and has kernels for it on a device family."""
    if model.quantization is None:
        return True
    method = model.quantization.method
    since = _refused(release.engine.value, device_type).get(method)
    return _loads(method, release) and (since is None or (since != () and version_key(release.version) >= since))


def _loads(method: str, release: Release) -> bool:
    """Whether a release names a format; one that engines know by many names is left to them."""
    if method in _MANY_NAMES:
        return True
    named = accepted(release).get("quantization", "").split("|")
    return any(name in named for name in (method, *_ALSO.get(method, ())))


@cache
def _refused(engine: str, device_type: DeviceType) -> dict[str, tuple[int, ...]]:
    """Return the formats a device family lacks, with the release that brought them, or () where none did."""
    found = (row for row in rows("quantizations.csv") if row["engine"] == engine and row["device"] == device_type)
    return {row["method"]: version_key(row["since"]) for row in found}
