"""A whole BudSim for one test or one module: the services in process, or real workers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.config import Settings, load_settings
from tests.support.databases import Database
from tests.support.feedback_values import A100
from tests.support.in_process import InProcess, in_process


@pytest.fixture
async def settings(kafka: EmbeddedKafka, migrated_database: Database, topic_prefix: str, tmp_path: Path) -> Settings:
    """Settings with few partitions, whose topics exist."""
    made = load_settings(
        kafka_bootstrap=kafka.bootstrap,
        database_url=migrated_database.dsn,
        topic_prefix=topic_prefix,
        data_folder=tmp_path,
        hub_enabled=False,
        partitions_by_key=2,
        partitions_searches=2,
        partitions_workflows=2,
    )
    await topic_admin(made).apply(topic_specs(made))
    return made


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[InProcess]:
    """Both workers' services in the test's own loop."""
    async with in_process(settings) as made:
        yield made


@pytest.fixture
async def on_a100(services: InProcess) -> InProcess:
    """The same, knowing one cluster of 8 × A100."""
    await services.know(A100)
    return services
