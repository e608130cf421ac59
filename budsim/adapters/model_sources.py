"""Where model shapes come from: a local folder, the price table of models sold as an API, the hub, then the shipped catalogue."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from budsim.adapters.daemon_thread import in_daemon
from budsim.adapters.hub_configs import CONFIG_FILE, HubAway, HubConfig, HubOptions, fetch_config, load_libraries, read_json
from budsim.core.errors import InvalidInput, ModelNotFound, UnsupportedModel
from budsim.core.model.catalogue import catalogue_model, nearest_models
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.proprietary import proprietary_model
from budsim.core.model.spec import ModelKind, ModelSpec

__all__ = ["HubOptions", "ModelSources"]

REMEMBERED = 512  # models kept in memory, the least recently asked for given up first
CATALOGUED_WAIT_S = 1.0  # longest wait for the hub where the catalogue has an answer too
HUB_PAUSE_S, LONGEST_PAUSE_S = 60.0, 960.0  # how long an unreachable hub is left alone: doubled each time it is found so again
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
        self._next_pause_s = HUB_PAUSE_S
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
        found = catalogue_model(uri) or proprietary_model(uri)
        if found is not None and self._needs_no_hub(found):
            return found, True
        answered = await self._from_hub(uri, catalogued=found is not None) if self._hub.enabled else None
        if isinstance(answered, HubConfig):
            return _from_config(uri, answered), True
        if found is None:
            raise self._not_found(uri)
        return found, not self._hub_rests()

    def _needs_no_hub(self, found: ModelSpec) -> bool:
        return self._hub.offline or found.kind is ModelKind.PROPRIETARY

    def _not_found(self, uri: str) -> ModelNotFound:
        nearest = ", ".join(nearest_models(uri)) or "none is near"
        unasked = " (the hub could not be reached)" if self._hub.enabled and self._hub_rests() else ""
        return ModelNotFound(
            f"pretrained_model_uri {uri!r} is in no source{unasked}", param="pretrained_model_uri", remedy=f"did you mean: {nearest}?"
        )

    def _folder(self, uri: str) -> Path | None:
        """Return the model's folder under the registry, if it has one."""
        _check_name(uri)
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

    async def _from_hub(self, uri: str, *, catalogued: bool) -> HubConfig | None:
        """Ask the hub, one request at a time: those that wait learn from the first that it is away."""
        patience_s = min(CATALOGUED_WAIT_S, self._hub.timeout_s) if catalogued else self._hub.timeout_s
        async with self._one_at_the_hub:
            if self._hub_rests():
                return None
            if not catalogued:
                await in_daemon(load_libraries)
            errand = in_daemon(partial(self._fetch, uri, self._hub))
            done, _ = await asyncio.wait((errand,), timeout=patience_s)
            if not done:
                self._let_rest()
                errand.add_done_callback(partial(self._came_late, uri))
                return None
            try:
                answer = errand.result()
            except HubAway:
                self._let_rest()
                return None
            self._wake()
            return answer

    def _let_rest(self) -> None:
        self._hub_rests_until_s = self._monotonic_s() + self._next_pause_s
        self._next_pause_s = min(2 * self._next_pause_s, LONGEST_PAUSE_S)

    def _wake(self) -> None:
        self._hub_rests_until_s, self._next_pause_s = float("-inf"), HUB_PAUSE_S

    def _came_late(self, uri: str, errand: "asyncio.Future[HubConfig | None]") -> None:
        """Keep an answer nobody waited for: it shows that the hub is slow, not away."""
        if errand.cancelled() or errand.exception() is not None:
            return
        self._wake()
        answer = errand.result()
        if answer is not None:
            with suppress(UnsupportedModel):  # told to whoever asks next
                self._remember(uri, _from_config(uri, answer))


def _check_name(uri: str) -> None:
    if not uri.strip() or "\0" in uri or len(uri) > LONGEST_URI:
        raise InvalidInput(
            f"pretrained_model_uri {uri[:40]!r} is empty, has a NUL character or is longer than {LONGEST_URI} characters",
            param="pretrained_model_uri",
            remedy="send a model id",
        )


def _from_config(uri: str, answer: HubConfig) -> ModelSpec:
    return model_from_config(answer.config, model_id=uri, revision=answer.revision, source="hub")
