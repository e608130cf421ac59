"""What one feedback event does, and does once."""

import asyncio
import json
from uuid import UUID, uuid4

import asyncpg

from budsim.cli.kafka import read_all
from budsim.config import Settings
from budsim.stream.dead_letters import DeadLetter
from tests.support.databases import Database
from tests.support.feedback_values import A100, A100_KEY, ONE_PART, failed, layout, offered, works
from tests.support.in_process import InProcess, in_process
from tests.support.stack import example_request
from tests.support.waiting import wait_until
from topics import catalogue
from topics.feedback import FeedbackGiven, ObservedBody
from topics.recommendations import ConfigurationBody

TTL_S = 3.0
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def best_of(services: InProcess) -> ConfigurationBody:
    answer = await services.answer(example_request(**ONE_PART))
    return answer.recommendations[0].configurations[0]


async def test_feedback_applied_is_told_only_once_postgresql_holds_it(on_a100: InProcess, migrated_database: Database) -> None:
    services = on_a100
    best = await best_of(services)
    blocker = await asyncpg.connect(migrated_database.plain_dsn)
    lock = blocker.transaction()
    await lock.start()
    await blocker.execute("LOCK TABLE blacklist IN ACCESS EXCLUSIVE MODE")
    giving = asyncio.create_task(services.give(failed(best)))
    await wait_until(lambda: migrated_database.fetch(WAITING), 30.0, what="feedback waits for PostgreSQL")
    name = services.settings.topic_prefix + catalogue.PROGRESS
    assert not any(b"feedback applied" in (record.value or b"") for record in await read_all(services.settings.kafka, name))
    assert not giving.done()
    await lock.rollback()
    await blocker.close()
    await giving
    (row,) = await migrated_database.fetch("SELECT is_blacklisted FROM simulation_results WHERE config_id = $1", UUID(best.config_id))
    assert row["is_blacklisted"]
    assert (await services.stores.blacklists.get(A100_KEY)).version == 1


async def test_an_unknown_config_id_is_a_dead_letter_and_whoever_named_the_workflow_is_told(on_a100: InProcess) -> None:
    services = on_a100
    workflow_id, config_id = uuid4(), uuid4()
    event = FeedbackGiven(config_id=config_id, failed=True, reason="crashed", workflow_id=workflow_id)
    await services.stores.publisher.publish([services.stores.messages.feedback(event)])
    await services.until(
        lambda: services.read.get(catalogue.DEAD_LETTERS) and services.keyed(catalogue.PROGRESS, str(workflow_id).encode())
    )
    (record,) = services.read[catalogue.DEAD_LETTERS]
    letter = DeadLetter.from_record(record)
    assert (letter.error, letter.attempts, letter.agent) == ("ConfigurationNotFound", 1, "feedback")
    assert str(config_id) in letter.reason
    (told,) = services.keyed(catalogue.PROGRESS, str(workflow_id).encode())
    payload = json.loads(told.value or b"")["payload"]
    assert (payload["event"], payload["content"]["status"]) == ("feedback refused", "FAILED")
    assert services.applied() == []


async def test_observed_metrics_are_kept_in_si_units(on_a100: InProcess, migrated_database: Database) -> None:
    services = on_a100
    best = await best_of(services)
    observed = ObservedBody(ttft=850.0, throughput_per_user=31.5, e2e_latency=9.25, concurrency=64)
    await services.give(works(best).model_copy(update={"observed": observed}))
    (row,) = await migrated_database.fetch("SELECT config_id, failed, observed FROM feedback")
    assert (str(row["config_id"]), row["failed"]) == (best.config_id, False)
    assert json.loads(row["observed"]) == {"ttft_s": 0.85, "throughput_per_user": 31.5, "e2e_s": 9.25, "concurrency": 64}


async def test_a_redelivered_event_counts_once_and_the_same_words_said_again_count_again(
    on_a100: InProcess, migrated_database: Database
) -> None:
    services = on_a100
    best = await best_of(services)
    await services.give(failed(best))
    await services.give(works(best))
    first = services.read[catalogue.FEEDBACK][0]
    await services.conclude(first)  # as after a crash between the commit and the acknowledgement
    await services.until(lambda: len(services.applied()) == 3)
    lifted = await services.stores.blacklists.get(A100_KEY)
    assert (lifted.version, lifted.entries) == (2, ())
    assert len(await migrated_database.fetch("SELECT 1 FROM feedback")) == 2

    await services.give(failed(best))
    assert (await services.stores.blacklists.get(A100_KEY)).version == 3
    ids = [dict(record.headers)["ce_id"] for record in services.applied()]
    assert ids[2] == ids[0]
    assert len(set(ids)) == 3


async def test_an_entry_ends_after_its_time_even_in_the_table(settings: Settings) -> None:
    async with in_process(settings.model_copy(update={"blacklist_ttl_s": TTL_S})) as services:
        await services.know(A100)
        best = await best_of(services)
        await services.give(failed(best))
        answer = await services.answer(example_request(**ONE_PART))
        assert answer.recommendations[0].excluded_config_ids == [best.config_id]

        async def expired() -> bool:
            return not (await services.stores.blacklists.get(A100_KEY)).entries

        await wait_until(expired, 4 * TTL_S, what="the entry expires")
        later = await services.answer(example_request(**ONE_PART))
        table = services.in_table(A100_KEY)
        assert table is not None
        assert len(table.entries) == 1  # nothing told the table; the entry itself says when it ends
        assert later.recommendations[0].excluded_config_ids == []
        assert layout(best) in {layout(body) for body in offered(later)}
