"""The web view on a real Kafka and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.config import Settings, load_settings
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.tokens import PostgresTokens
from tests.support.databases import Database, create_database, drop_database, run_apart
from tests.support.stack import Stack, running_stack
from tests.support.web_caller import WebCaller, calling


@pytest.fixture
def settings(kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path) -> Settings:
    """Settings of a view behind which no worker runs: workflows stay open until a test ends them."""
    made = load_settings(
        kafka_bootstrap=kafka.bootstrap, database_url=migrated_database.dsn, topic_prefix=topic_prefix, data_folder=tmp_path
    )
    run_apart(lambda: topic_admin(made).apply(topic_specs(made)))
    return made


@pytest.fixture
async def caller(settings: Settings) -> AsyncIterator[WebCaller]:
    async with calling(settings) as made:
        yield made


@pytest.fixture(scope="module")
def stack(kafka: EmbeddedKafka, postgres, migrated_template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Flow and eval workers for all tests of a module."""
    database = create_database(postgres.dsn, template=migrated_template.name)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BUDSIM_HUB_ENABLED", "false")
        prefix = f"{database.name}."
        with running_stack(kafka.bootstrap, database.dsn, prefix, tmp_path_factory.mktemp("stack")) as running:
            yield running
    drop_database(postgres.dsn, database)


def make_token(settings: Settings, name: str, **limits: list[str]) -> str:
    """Return the secret of a new token."""

    async def make() -> str:
        engine = create_engine(settings.database_url)
        try:
            return await PostgresTokens(create_sessions(engine)).create(name, **limits)
        finally:
            await engine.dispose()

    return asyncio.run(make())
