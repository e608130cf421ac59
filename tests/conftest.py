"""Fixtures of all tests: real servers once per run, a topic prefix and a database per test."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.storage.migrate import upgrade
from tests.support.databases import Database, create_database, drop_database, run_apart

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Hear signals, and let the programs that are started hear them, also where the run itself stands behind nohup or «&»."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED_DATA.is_dir():
        skip = pytest.mark.skip(reason="../shared/data is not here")
        for item in items:
            if item.get_closest_marker("shared_data"):
                item.add_marker(skip)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: garbage collections need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference data; its tests carry the mark `shared_data`."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for servers, outside pytest's: PostgreSQL's own user must be able to walk into it."""
    folder = Path(tempfile.mkdtemp(prefix="budsim-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(server_folder: Path) -> Iterator[EmbeddedKafka]:
    """A broker for the whole run; use `topic_prefix` beside it. A test that stops it starts one of its own."""
    server = EmbeddedKafka(server_folder / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server for the whole run; use `database` or `migrated_database`. A test that stops it starts one of its own."""
    server = EmbeddedPostgres(server_folder / "postgres", options={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test uses."""
    return f"t{uuid4().hex[:10]}."


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """An empty database."""
    made = create_database(postgres.dsn)
    yield made
    drop_database(postgres.dsn, made)


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> Database:
    """A database at the newest revision, to copy from."""
    template = create_database(postgres.dsn)
    run_apart(lambda: upgrade(template.dsn))
    return template


@pytest.fixture
def migrated_database(postgres: EmbeddedPostgres, migrated_template: Database) -> Iterator[Database]:
    """A database at the newest revision."""
    made = create_database(postgres.dsn, template=migrated_template.name)
    yield made
    drop_database(postgres.dsn, made)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell exports for BudSim must not reach a test."""
    for name in [name for name in os.environ if name.startswith("BUDSIM_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
