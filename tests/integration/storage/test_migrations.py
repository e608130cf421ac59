"""Migrations up and down."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from budsim.storage.engine import create_engine
from budsim.storage.migrate import current, downgrade, head, upgrade
from budsim.storage.schema import Base
from tests.support.databases import Database

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'simulation_results'"


async def test_up_down_and_up_again_reach_head_base_and_head(database: Database):
    assert await current(database.dsn) is None
    await upgrade(database.dsn)
    assert await current(database.dsn) == head()
    await downgrade(database.dsn)
    assert await current(database.dsn) is None
    assert await database.fetch(TABLES) == []
    await upgrade(database.dsn)
    assert {row[0] for row in await database.fetch(TABLES)} == set(Base.metadata.tables)


async def test_the_migrations_make_what_the_schema_declares(migrated_database: Database):
    engine = create_engine(migrated_database.dsn)
    async with engine.connect() as connection:
        drift = await connection.run_sync(lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata))
    await engine.dispose()
    assert drift == []


async def test_two_processes_that_migrate_at_once_take_turns(database: Database):
    await asyncio.gather(upgrade(database.dsn), upgrade(database.dsn))
    assert await current(database.dsn) == head()


async def test_simulation_results_has_the_indexes_of_the_lld(migrated_database: Database):
    found = {row["indexname"]: row["indexdef"] for row in await migrated_database.fetch(INDEXES)}
    assert found["idx_simulation_results_workflow_id"].endswith("(workflow_id)")
    assert found["idx_simulation_results_cluster_id"].endswith("(cluster_id)")
    assert found["idx_simulation_results_workflow_cluster"].endswith("(workflow_id, cluster_id)")
    assert found["idx_simulation_results_topk_cost"].endswith("USING gin (top_k_configs jsonb_path_ops)")
    assert any("UNIQUE" in definition and definition.endswith("(config_id)") for definition in found.values())
