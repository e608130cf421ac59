"""Where model shapes come from: a local folder, the hub, then the shipped catalogue."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from budsim.adapters.hub_configs import CONFIG_FILE, HubAway, HubConfig, HubOptions, fetch_config, read_json
from budsim.core.errors import InvalidInput, ModelNotFound
from budsim.core.model.catalogue import catalogue_model, nearest_models
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.spec import ModelSpec

__all__ = ["HubOptions", "ModelSources"]

REMEMBERED = 512  # models kept in memory, the least recently asked for given up first
HUB_PAUSE_S = 60.0  # how long an unreachable hub is left alone
LONGEST_URI = 255  # characters, as for every id of the contract

Fetch = Callable[[str, HubOptions], HubConfig | None]


class ModelSources:
    """The ModelSource of the services."""

    def __init__(
        self, *, registry: Path, hub: HubOptions, fetch: Fetch = fetch_config, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._hub = hub
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[str, ModelSpec] = OrderedDict()
        self._hub_rests_until_s = float("-inf")
        self._one_at_the_hub = asyncio.Lock()

    async def resolve(self, uri: str) -> ModelSpec:
        """Return the shape of a model.

        Raises:
            InvalidInput: A path that leaves the registry, or no name at all.
            ModelNotFound: No source knows it; the nearest names are given.
            UnsupportedModel: Its config cannot be read.
        """
        if uri in self._known:
            self._known.move_to_end(uri)
            return self._known[uri]
        found, lasting = await self._find(uri)
        if lasting:
            self._remember(uri, found)
        return found

    def _remember(self, uri: str, found: ModelSpec) -> None:
        self._known[uri] = found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _find(self, uri: str) -> tuple[ModelSpec, bool]:
        """Return the shape, and whether a later look could not find a better source for it."""
        folder = self._folder(uri)
        if folder is not None:
            config = await asyncio.to_thread(read_json, folder, uri)
            return model_from_config(config, model_id=uri, source="registry"), True
        answered = await self._from_hub(uri) if self._hub.enabled else None
        if isinstance(answered, HubConfig):
            return model_from_config(answered.config, model_id=uri, revision=answered.revision, source="hub"), True
        found = catalogue_model(uri)
        if found is None:
            nearest = ", ".join(nearest_models(uri)) or "none is near"
            raise ModelNotFound(
                f"pretrained_model_uri {uri!r} is in no source", param="pretrained_model_uri", remedy=f"did you mean: {nearest}?"
            )
        return found, not self._hub_rests()

    def _folder(self, uri: str) -> Path | None:
        """Return the model's folder under the registry, if it has one."""
        if not uri.strip() or "\0" in uri or len(uri) > LONGEST_URI:
            raise InvalidInput(
                f"pretrained_model_uri {uri[:40]!r} is empty, has a NUL character or is longer than {LONGEST_URI} characters",
                param="pretrained_model_uri",
                remedy="send a model id",
            )
        root = Path(os.path.realpath(self._registry))
        target = Path(os.path.realpath(root / uri))
        leaves = target != root and root not in target.parents
        if leaves or ".." in Path(uri).parts:
            raise InvalidInput(
                f"pretrained_model_uri {uri!r} leaves the model registry",
                param="pretrained_model_uri",
                remedy="name a folder under BUDSIM_MODEL_REGISTRY_DIR, or a Hugging Face id",
            )
        config = Path(os.path.realpath(target / CONFIG_FILE))
        return target if config.is_file() and root in config.parents else None

    def _hub_rests(self) -> bool:
        return self._monotonic_s() < self._hub_rests_until_s

    async def _from_hub(self, uri: str) -> HubConfig | None:
        """Ask the hub, one request at a time: those that wait learn from the first that it is away."""
        async with self._one_at_the_hub:
            if self._hub_rests():
                return None
            try:
                return await asyncio.wait_for(asyncio.to_thread(self._fetch, uri, self._hub), self._hub.timeout_s)
            except (HubAway, TimeoutError):
                self._hub_rests_until_s = self._monotonic_s() + HUB_PAUSE_S
                return None
