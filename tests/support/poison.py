"""A search for tests: the cluster's name says what goes wrong with one of its parts. Run in the pool's processes."""

import os
import signal
import time
from pathlib import Path

from budsim.adapters.model_sets import SetFolders
from budsim.adapters.part_search import PartSearch
from budsim.config import SHIPPED_MODELS
from budsim.core.engines.spec import EngineKind
from budsim.core.search.part import PartResult, SearchTask

POISONED = "poisoned"  # one part kills its process, whenever it is searched
HELD = "held"  # one part writes its process id to NAME.pid and waits for NAME.go
FOLDER = "POISON_FOLDER"
HELD_S = 60.0


def chosen(task: SearchTask) -> bool:
    """Of the four parts of a cluster of two groups, one."""
    return task.part.engine.kind is EngineKind.SGLANG and "A100" in task.part.group.accelerator.name


def poisoned_search(task: SearchTask) -> PartResult:
    """Search as ever, unless it is the chosen part of a cluster with such a name."""
    cluster_id = task.part.group.cluster_id
    if chosen(task) and cluster_id.startswith(POISONED):
        os.kill(os.getpid(), signal.SIGKILL)
    if chosen(task) and cluster_id.startswith(HELD):
        hold(Path(os.environ[FOLDER]), cluster_id)
    return PartSearch(folders=SetFolders(primary=SHIPPED_MODELS))(task)


def hold(folder: Path, name: str) -> None:
    """Tell the process id and wait."""
    part = folder / f"{name}.tmp"
    part.write_text(str(os.getpid()))
    part.rename(folder / f"{name}.pid")
    end_s = time.monotonic() + HELD_S
    while not (folder / f"{name}.go").exists() and time.monotonic() < end_s:
        time.sleep(0.02)
