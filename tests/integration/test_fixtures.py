"""The servers every other integration test stands on."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from budsim.adapters.embedded_kafka import EmbeddedKafka
from tests.support.databases import Database


async def test_each_test_gets_an_empty_database(database: Database) -> None:
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert tables == []
    assert (await database.fetch("SHOW server_version"))[0][0].startswith("18.")


async def test_a_migrated_database_has_the_tables_of_the_schema(migrated_database: Database) -> None:
    tables = {row[0] for row in await migrated_database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert {"workflows", "parts", "outbox", "simulation_results"} <= tables


async def test_the_broker_creates_a_topic_under_the_tests_prefix(kafka: EmbeddedKafka, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(f"{topic_prefix}orders", 3, 1)])
        (described,) = await admin.describe_topics([f"{topic_prefix}orders"])
    finally:
        await admin.close()
    assert len(described["partitions"]) == 3
