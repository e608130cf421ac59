"""Where model shapes come from: a local folder, the hub, then the shipped catalogue."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budsim.core.errors import BudSimError, InvalidInput, ModelNotFound, UnsupportedModel
from budsim.core.model.catalogue import catalogue_model, nearest_models
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.spec import ModelSpec

REMEMBERED = 512  # models kept in memory
HUB_PAUSE_S = 60.0  # how long an unreachable hub is left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How the hub is asked; disabled means never."""

    enabled: bool
    token: str | None = None
    cache_folder: str | None = None
    timeout_s: float = 5.0


class HubAway(Exception):
    """The hub did not answer; the catalogue may."""


class ModelSources:
    """The ModelSource of the services."""

    def __init__(self, *, registry: Path, hub: HubOptions) -> None:
        self._registry = registry
        self._hub = hub
        self._known: dict[str, ModelSpec] = {}
        self._hub_rests_until_s = 0.0

    async def resolve(self, uri: str) -> ModelSpec:
        """Return the shape of a model.

        Raises:
            InvalidInput: A path that leaves the registry.
            ModelNotFound: No source knows it; the nearest names are given.
            UnsupportedModel: Its config cannot be read.
        """
        if uri not in self._known:
            found = await self._find(uri)
            if len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[uri] = found
        return self._known[uri]

    async def _find(self, uri: str) -> ModelSpec:
        folder = self._folder(uri)
        if folder is not None:
            return await asyncio.to_thread(_from_folder, folder, uri)
        found = await self._from_hub(uri) if self._hub_is_worth_asking() else None
        found = found or catalogue_model(uri)
        if found is None:
            nearest = ", ".join(nearest_models(uri)) or "none is near"
            raise ModelNotFound(
                f"pretrained_model_uri {uri!r} is in no source", param="pretrained_model_uri", remedy=f"did you mean: {nearest}?"
            )
        return found

    def _folder(self, uri: str) -> Path | None:
        """Return the model's folder under the registry, if it has one."""
        if "\0" in uri:
            raise InvalidInput("pretrained_model_uri has a NUL character", param="pretrained_model_uri", remedy="send a model id")
        root = Path(os.path.realpath(self._registry))
        target = Path(os.path.realpath(root / uri))
        leaves = target != root and root not in target.parents
        if leaves or ".." in Path(uri).parts:
            raise InvalidInput(
                f"pretrained_model_uri {uri!r} leaves the model registry",
                param="pretrained_model_uri",
                remedy="name a folder under BUDSIM_MODEL_REGISTRY_DIR, or a Hugging Face id",
            )
        return target if (target / "config.json").is_file() else None

    def _hub_is_worth_asking(self) -> bool:
        return self._hub.enabled and time.monotonic() >= self._hub_rests_until_s

    async def _from_hub(self, uri: str) -> ModelSpec | None:
        try:
            return await asyncio.wait_for(asyncio.to_thread(_from_hub, uri, self._hub), self._hub.timeout_s)
        except (HubAway, TimeoutError):
            self._hub_rests_until_s = time.monotonic() + HUB_PAUSE_S
            return None


def _from_folder(folder: Path, uri: str) -> ModelSpec:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"config.json of {uri} cannot be read ({error})", param="pretrained_model_uri") from error
    if not isinstance(config, dict):
        raise UnsupportedModel(f"config.json of {uri} is not an object", param="pretrained_model_uri")
    return model_from_config(config, model_id=uri, source="registry")


def _from_hub(uri: str, hub: HubOptions) -> ModelSpec | None:
    """Ask the hub through AutoConfig; never run code that comes with a model."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(uri, token=hub.token, cache_dir=hub.cache_folder, trust_remote_code=False)
    except ValueError:
        return _raw_config(uri, hub)  # a model_type this transformers does not know: read the fields
    except OSError as error:
        if "is not a local folder" in str(error) and "couldn't connect" not in str(error).lower():
            return None
        raise HubAway(str(error)) from error
    found: dict[str, Any] = config.to_dict()
    return model_from_config(found, model_id=uri, revision=str(getattr(config, "_commit_hash", None) or "unknown"), source="hub")


def _raw_config(uri: str, hub: HubOptions) -> ModelSpec | None:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(uri, "config.json", token=hub.token, cache_dir=hub.cache_folder)
        return model_from_config(json.loads(Path(path).read_text(encoding="utf-8")), model_id=uri, source="hub")
    except BudSimError:
        raise
    except (OSError, ValueError) as error:
        raise HubAway(str(error)) from error
