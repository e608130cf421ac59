"""The blacklist table of real workers: rebuilt from its changelog, moved by a rebalance, never set back, and not relied upon."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import pytest
from rocksdict import AccessType, Options, Rdict

from agents.evaluate import BLACKLIST
from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.cli.kafka import read_all
from budsim.cli.servers import start_process
from budsim.core.search.part import Blacklist
from tables import blacklist as blacklist_table
from tests.support.databases import Database, run_apart
from tests.support.feedback_values import A100, A100_KEY, ONE_PART, failed, layout, offered, works
from tests.support.stack import EXAMPLES, Stack, example_request, running_stack
from tests.support.waiting import wait_until
from topics import catalogue
from topics.feedback import FeedbackGiven
from topics.recommendations import ConfigurationBody, RecommendationMade
from topics.searches import SearchRequested

LONG_S = 60.0


class Bench:
    """A flow worker, and eval workers whose role in PostgreSQL may not read the blacklist."""

    def __init__(self, stack: Stack, limited_dsn: str) -> None:
        self.stack = stack
        self._limited = stack.settings.model_copy(update={"database_url": limited_dsn})
        self._feedback = 0

    def start_limited(self, name: str) -> None:
        self.stack.processes[name] = start_process(name, self._limited, self.stack.folder)

    def start_unfed(self, name: str) -> None:
        """Start an eval worker that may read PostgreSQL and whose table gets no updates."""
        settings, folder = self.stack.settings, self.stack.folder
        environment = os.environ | {
            "BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "BUDSIM_DATABASE_URL": settings.database_url,
            "BUDSIM_DATA_FOLDER": str(folder / name),
            "BUDSIM_TOPIC_PREFIX": settings.topic_prefix,
        }
        command = [sys.executable, "-m", "tests.support.unfed_worker"]
        with (folder / f"{name}.log").open("ab") as log:
            self.stack.processes[name] = subprocess.Popen(command, cwd=EXAMPLES.parents[2], stdout=log, stderr=log, env=environment)

    async def answer(self) -> RecommendationMade:
        workflow_id = uuid4()
        await self.stack.send(self.stack.messages.request(example_request(**ONE_PART), workflow_id))
        return await self.stack.answer(workflow_id, deadline_s=LONG_S)

    async def give(self, event: FeedbackGiven) -> None:
        """Send feedback and return when it is applied."""
        self._feedback += 1
        await self.stack.send(self.stack.messages.feedback(event))

        async def applied() -> bool:
            progress = await read_all(self.stack.settings.kafka, self.stack.settings.topic_prefix + catalogue.PROGRESS)
            return sum(b'"feedback applied"' in (record.value or b"") for record in progress) >= self._feedback

        await wait_until(applied, LONG_S, what="feedback is applied")

    async def decided(self) -> Blacklist:
        """What PostgreSQL holds."""
        (version,) = await self.stack.rows("SELECT version FROM blacklist_versions WHERE key = $1", A100_KEY)
        rows = await self.stack.rows("SELECT entry FROM blacklist WHERE key = $1 ORDER BY config_id", A100_KEY)
        entries = "[" + ",".join(row["entry"] for row in rows) + "]"
        return BLACKLIST.validate_json(f'{{"key": "{A100_KEY}", "version": {version["version"]}, "entries": {entries}}}')

    async def changelog_reaches(self, version: int) -> None:
        """Wait until a worker has written this version of the key to its changelog."""
        name = catalogue.changelog_topic(self.stack.settings.eval_app_id, blacklist_table.NAME)

        async def there() -> bool:
            records = [record for record in await read_all(self.stack.settings.kafka, name) if record.key == A100_KEY.encode()]
            return any(record.value and BLACKLIST.validate_json(record.value).version >= version for record in records)

        await wait_until(there, LONG_S, what=f"version {version} is in the changelog")

    async def searched_without(self, answer: RecommendationMade) -> list[str]:
        """config_ids of the entries that evaluate gave the search."""
        records = await read_all(self.stack.settings.kafka, self.stack.settings.topic_prefix + catalogue.SEARCHES)
        tasks = [SearchRequested.model_validate_json(record.value or b"").task for record in records]
        return [entry.config_id for task in tasks if task.part.workflow_id == answer.workflow_id for entry in task.blacklist]

    def stored(self, name: str) -> Blacklist | None:
        """What the files of a worker that has ended hold."""
        for path in (self.stack.folder / name).rglob(f"{blacklist_table.NAME}-*.db"):
            table = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
            value = table.get(A100_KEY.encode())
            table.close()
            if value:
                return BLACKLIST.validate_json(value)
        return None


@pytest.fixture
def limited_dsn(migrated_database: Database) -> Iterator[str]:
    """The database as seen by a role that may take up parts and nothing else: above all not read the blacklist."""
    role = f"limited_{uuid4().hex[:12]}"
    grants = (f"CREATE ROLE {role} LOGIN PASSWORD '{role}'", f"GRANT SELECT, UPDATE ON workflows, parts TO {role}")
    for statement in grants:
        run_apart(partial(migrated_database.fetch, statement))
    scheme, _, rest = migrated_database.dsn.partition("://")
    yield f"{scheme}://{role}:{role}@{rest.split('@')[1]}"
    for statement in (f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
        run_apart(partial(migrated_database.fetch, statement))


@pytest.fixture
def bench(
    kafka: EmbeddedKafka,
    migrated_database: Database,
    limited_dsn: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    monkeypatch.setenv("BUDSIM_CLUSTER_WAIT_S", "60")
    with running_stack(kafka.bootstrap, migrated_database.dsn, topic_prefix, tmp_path, workers=("flow",)) as stack:
        yield Bench(stack, limited_dsn)


async def test_the_table_outlives_its_files_its_worker_and_its_feed(bench: Bench) -> None:
    stack = bench.stack
    bench.start_limited("eval-0")
    await stack.report_clusters(A100)
    (first,) = (await bench.answer()).recommendations
    best = first.configurations[0]
    second = next(body for body in first.configurations if layout(body) != layout(best))
    await bench.give(failed(best))
    await bench.give(failed(second, "CUDA out of memory"))
    await bench.changelog_reaches(2)

    # the worker dies and its files are gone: the changelog has it all, and PostgreSQL is not asked
    stack.kill("eval-0")
    decided = await bench.decided()
    assert bench.stored("eval-0") == decided
    rmtree(stack.folder / "eval-0")
    bench.start_limited("eval-1")
    await _is_obeyed(bench, decided)

    # another worker takes over
    bench.start_limited("eval-2")
    await stack.ready("eval-2")
    stack.terminate("eval-1")
    assert bench.stored("eval-1") == decided
    await _is_obeyed(bench, decided)

    # older and equal updates that come again change nothing
    older = Blacklist(key=A100_KEY, version=1, entries=())
    await stack.send(stack.messages.blacklist(older), stack.messages.blacklist(replace(decided, entries=())))
    await stack.drained(deadline_s=LONG_S)
    await _is_obeyed(bench, decided)
    stack.terminate("eval-2")
    assert bench.stored("eval-2") == decided
    await _unfed_it_does_no_harm(bench, best, second, decided)


async def _unfed_it_does_no_harm(bench: Bench, best: ConfigurationBody, second: ConfigurationBody, stale: Blacklist) -> None:
    """A worker whose table is not fed: PostgreSQL's version on the part saves the day, and without PostgreSQL there is no answer."""
    stack = bench.stack
    bench.start_unfed("eval-3")
    await bench.give(works(second))
    answer = await bench.answer()
    assert await bench.searched_without(answer) == [best.config_id]
    assert answer.recommendations[0].excluded_config_ids == [best.config_id]
    assert layout(second) in {layout(body) for body in offered(answer)}
    stack.terminate("eval-3")
    assert bench.stored("eval-3") == stale
    assert (await bench.decided()).version == 3

    # and the proof that the limited role would have told: with a table that is behind it cannot answer
    bench.start_limited("eval-4")
    await stack.ready("eval-4")
    await stack.rows("UPDATE blacklist_versions SET version = version + 1 WHERE key = $1", A100_KEY)
    refused = await bench.answer()
    assert refused.status == "failed"
    assert refused.error is not None
    assert "permission denied" in refused.error.message


async def _is_obeyed(bench: Bench, decided: Blacklist) -> None:
    """A request is answered from the table: the entries reach the search, and the role could not have asked PostgreSQL."""
    answer = await bench.answer()
    assert answer.status == "completed", answer.error
    barred = sorted(entry.config_id for entry in decided.entries)
    assert sorted(await bench.searched_without(answer)) == barred
    assert set(answer.recommendations[0].excluded_config_ids) <= set(barred)
