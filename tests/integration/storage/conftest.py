"""Sessions on a database of one test."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from budsim.services.ports import Messages
from budsim.storage.engine import Sessions, create_engine, create_sessions
from budsim.storage.workflows import PostgresWorkflows
from tests.support.databases import Database
from tests.support.storage_values import FakeMessages, FakePublisher


@pytest.fixture
async def sessions(migrated_database: Database) -> AsyncIterator[Sessions]:
    engine = create_engine(migrated_database.dsn)
    yield create_sessions(engine)
    await engine.dispose()


@pytest.fixture
def messages() -> Messages:
    return cast(Messages, FakeMessages())


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def workflows(sessions: Sessions, messages: Messages) -> PostgresWorkflows:
    return PostgresWorkflows(sessions, messages)
