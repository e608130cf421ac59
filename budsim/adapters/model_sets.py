"""InstalledSets: the model sets on disk, each loaded once a process and when it is first needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from budsim.adapters.model_cards import CARD, set_version
from budsim.core.search.choice import PredictorSet
from budsim.services.model_sets import SetPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFolders:
    """Where model sets lie.

    Attributes:
        primary: The set that answers unless another is chosen.
        second: The set that is tried beside it.
        more: Folder of further sets, a sub-folder each.
    """

    primary: Path
    second: Path | None = None
    more: Path | None = None

    def folders(self) -> Iterator[Path]:
        """Yield the folder of each set, the first and the second before the others, which come by name."""
        yield self.primary
        if self.second is not None:
            yield self.second
        if self.more is not None and self.more.is_dir():
            yield from sorted(folder for folder in self.more.iterdir() if folder.is_dir() and any(folder.rglob(CARD)))

    def versions(self) -> Mapping[str, Path]:
        """Return the folder of each version that is at hand; of two sets of one version the first counts. Nothing but cards is read."""
        found: dict[str, Path] = {}
        for folder in self.folders():
            version = set_version(folder)
            if version:
                found.setdefault(version, folder)
        return found

    def policy(self, *, shadow_share: float, ab_share: float) -> SetPolicy:
        """Return how requests choose among these sets; a second folder without a set has no share."""
        versions = self.versions()
        has_second = self.second is not None and self.second in versions.values()
        return SetPolicy(known=tuple(versions), has_second=has_second, shadow_share=shadow_share, ab_share=ab_share)


class InstalledSets:
    """The PredictorSets of these folders."""

    def __init__(self, folders: SetFolders, *, load: Callable[[Path], PredictorSet]) -> None:
        self._folders = folders
        self._load = load
        self._loaded: dict[Path, PredictorSet] = {}

    @property
    def primary(self) -> PredictorSet:
        """The set that answers unless another is chosen."""
        return self._of(self._folders.primary)

    @property
    def second(self) -> PredictorSet | None:
        """The set that is tried beside it."""
        return None if self._folders.second is None else self._of(self._folders.second)

    def named(self, version: str) -> PredictorSet | None:
        """Return the set of a version."""
        folder = self._versions.get(version)
        return None if folder is None else self._of(folder)

    @cached_property
    def _versions(self) -> Mapping[str, Path]:
        return self._folders.versions()

    def _of(self, folder: Path) -> PredictorSet:
        if folder not in self._loaded:
            self._loaded[folder] = self._load(folder)
        return self._loaded[folder]
