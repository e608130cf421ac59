"""Servers that a chaos test may stop."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.storage.migrate import upgrade
from tests.support.databases import run_apart


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder outside pytest's: PostgreSQL's own user must be able to walk into it."""
    folder = Path(tempfile.mkdtemp(prefix="budsim-chaos-"))
    yield folder
    rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_postgres(own_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, migrated."""
    server = EmbeddedPostgres(own_folder / "postgres")
    server.start()
    run_apart(lambda: upgrade(server.dsn))
    yield server
    server.stop()


@pytest.fixture
def own_kafka(own_folder: Path) -> Iterator[EmbeddedKafka]:
    """A Kafka of the test's own."""
    server = EmbeddedKafka(own_folder / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def no_trained_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that are killed and started over and over need not load models that nobody asks."""
    folder = tmp_path / "no-trained-models"
    folder.mkdir()
    monkeypatch.setenv("BUDSIM_PRETRAINED_MODELS_DIR", str(folder))
