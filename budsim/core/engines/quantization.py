"""Which stored formats of weights a release runs on which devices, from quantizations.csv."""

from functools import cache

from budsim.core.engines.releases import Release, version_key
from budsim.core.engines.tables import rows
from budsim.core.hardware.spec import DeviceType
from budsim.core.model.spec import ModelSpec


def runs_quantization(model: ModelSpec, release: Release, device_type: DeviceType) -> bool:
    """Whether a release has kernels for the model's format on a device family; a format nobody listed is left to the engine."""
    if model.quantization is None:
        return True
    refused = _refused(release.engine.value, device_type)
    since = refused.get(model.quantization.method)
    return since is None or (since != () and version_key(release.version) >= since)


@cache
def _refused(engine: str, device_type: DeviceType) -> dict[str, tuple[int, ...]]:
    """Return the formats a device family lacks, with the release that brought them, or () where none did."""
    found = (row for row in rows("quantizations.csv") if row["engine"] == engine and row["device"] == device_type)
    return {row["method"]: version_key(row["since"]) for row in found}
