"""Configs from the Hugging Face hub: downloaded, read through AutoConfig, never with code that comes with a model."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from budsim.core.errors import UnsupportedModel

CONFIG_FILE = "config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How the hub is asked; disabled means never, offline that only what was downloaded before is used."""

    enabled: bool
    offline: bool = False
    token: str | None = field(default=None, repr=False)
    cache_folder: str | None = None
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """A config and the commit it was read at."""

    config: Mapping[str, Any]
    revision: str


class HubAway(Exception):
    """The hub did not answer; other sources may."""


def load_libraries() -> None:
    """Import what fetching needs; the first time this takes seconds that are not the hub's."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that PyTorch is missing is no news: nothing here runs a model
    import huggingface_hub
    import transformers

    _ = huggingface_hub.hf_hub_download, transformers.AutoConfig  # both import their parts at first use


def fetch_config(uri: str, hub: HubOptions) -> HubConfig | None:
    """Return the config of a repository; None where the hub has none to give us: unknown, gated, or without a config.

    Blocks for about the timeout at most, twice that when the file itself is slow. What was downloaded before is used when the hub is away.

    Raises:
        HubAway: No answer, and nothing downloaded before.
        UnsupportedModel: The config is not a JSON object.
    """
    load_libraries()
    path = _download(uri, hub)
    return None if path is None else HubConfig(config=read_folder(path.parent, uri), revision=path.parent.name)


def read_folder(folder: Path, uri: str) -> Mapping[str, Any]:
    """Return the config of a downloaded model as AutoConfig completes it, or as it is when its type is unknown to the library."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    raw = read_json(folder, uri)
    try:
        completed: dict[str, Any] = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True).to_dict()
    except (ValueError, KeyError, TypeError, AttributeError, OSError, StrictDataclassError):
        return raw
    return completed


def read_json(folder: Path, uri: str) -> Mapping[str, Any]:
    """Return the fields of a folder's config.json.

    Raises:
        UnsupportedModel: It cannot be read or is no object.
    """
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnsupportedModel(f"config.json of {uri} cannot be read ({error})", param="pretrained_model_uri") from error
    if not isinstance(config, dict):
        raise UnsupportedModel(f"config.json of {uri} is not an object", param="pretrained_model_uri")
    return config


def _download(uri: str, hub: HubOptions) -> Path | None:
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        DisabledRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        found = hf_hub_download(
            uri, CONFIG_FILE, token=hub.token, cache_dir=hub.cache_folder, etag_timeout=hub.timeout_s, local_files_only=hub.offline
        )
        return Path(found)
    except (RepositoryNotFoundError, DisabledRepoError, RemoteEntryNotFoundError, HFValidationError):
        return None  # gated ones are a kind of not found
    except (LocalEntryNotFoundError, HfHubHTTPError, HTTPError, OSError, RuntimeError) as error:
        # RuntimeError: huggingface_hub 1.16 retries on the client it closed when no connection came up
        return _downloaded_before(uri, hub, error)


def _downloaded_before(uri: str, hub: HubOptions, cause: Exception) -> Path:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(uri, CONFIG_FILE, cache_dir=hub.cache_folder)
    if isinstance(found, str):
        return Path(found)
    raise HubAway(str(cause)) from cause
