"""A model named by the path of its folder, as somebody at a shell would."""

from pathlib import Path

from budsim.adapters.hub_configs import CONFIG_FILE, read_json
from budsim.core.model.huggingface_config import model_from_config
from budsim.core.model.spec import ModelSpec


def model_in_folder(path: str) -> ModelSpec | None:
    """Return the model of a folder with a config.json, or None where there is no such folder.

    Raises:
        UnsupportedModel: Its config cannot be read.
    """
    if not path.strip() or "\0" in path:
        return None
    folder = Path(path).expanduser()
    if folder.name == CONFIG_FILE:
        folder = folder.parent
    if not (folder / CONFIG_FILE).is_file():
        return None
    return model_from_config(read_json(folder, path), model_id=path, source="folder")
