"""What one release of an engine accepts, recorded from its own source by scripts/record_engine_release.py.

`releases.csv` names the releases and where each was read; `releases/` holds, for each, what its flags take and the environment variables
it reads, and the architectures in its registry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from budsim.core.engines.spec import EngineKind
from budsim.core.engines.tables import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One recorded release of an engine."""

    engine: EngineKind
    version: str
    source: str


@lru_cache(maxsize=256)
def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, by which versions are ordered: 0.5.6.post2 is (0, 5, 6, 2)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


@cache
def recorded_releases(engine: EngineKind) -> tuple[Release, ...]:
    """Return the releases of an engine that are recorded, oldest first."""
    found = (
        Release(engine=engine, version=row["version"], source=row["source"]) for row in rows("releases.csv") if row["engine"] == engine
    )
    return tuple(sorted(found, key=lambda release: version_key(release.version)))


@cache
def release_of(engine: EngineKind, version: str) -> Release:
    """Return the recorded release that speaks for a version: the newest that is not newer, or the oldest of all."""
    recorded = recorded_releases(engine)
    return next((each for each in reversed(recorded) if version_key(each.version) <= version_key(version)), recorded[0])


@cache
def accepted(release: Release) -> Mapping[str, str]:
    """Return what each flag takes: int, float, str, json, list, flag, switch (it has a «no-» form), or its choices joined by «|».

    An environment variable that the release reads is «env».
    """
    return MappingProxyType({row["name"]: row["kind"] for row in rows(f"releases/{release.engine}-{release.version}.csv")})


@cache
def registered_architectures(release: Release) -> Mapping[str, str]:
    """Return the architectures in the release's registry, and the group each stands in."""
    if release.engine not in (EngineKind.VLLM, EngineKind.SGLANG):
        return MappingProxyType({})
    found = rows(f"releases/{release.engine}-{release.version}-models.csv")
    return MappingProxyType({row["architecture"]: row["group"] for row in found})
