"""What must hold after a burst, whatever was killed, cut or restarted in it. One place, for every chaos test."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg

from budsim.cli.kafka import read_all
from budsim.stream.codec import Record, header_text
from budsim.stream.dead_letters import DeadLetter
from tests.support.stack import Stack
from topics import catalogue

TERMINAL = ("COMPLETED", "PARTIAL", "FAILED", "CANCELLED")
LAST_STEPS = {"COMPLETED": ("results", "COMPLETED"), "PARTIAL": ("results", "COMPLETED")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """How each request must have ended, in how many parts, and which values may lie among the dead letters."""

    statuses: Mapping[UUID, str]
    parts: int | None = None
    dead_letters: Sequence[bytes | None] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything the system left behind."""

    workflows: Sequence[asyncpg.Record]
    parts: Sequence[asyncpg.Record]
    results: Sequence[asyncpg.Record]
    unsent: Sequence[asyncpg.Record]
    versions: Mapping[str, int]
    answers: Mapping[str, Sequence[Record]]
    progress: Mapping[str, Sequence[Record]]
    updates: Sequence[Record]
    letters: Sequence[DeadLetter]

    def of(self, ids: Collection[UUID]) -> "Evidence":
        """What concerns these workflows, where others went before."""
        names = {str(workflow_id) for workflow_id in ids}
        return replace(
            self,
            workflows=[row for row in self.workflows if row["id"] in ids],
            parts=[row for row in self.parts if row["workflow_id"] in ids],
            results=[row for row in self.results if row["workflow_id"] in ids],
            answers={name: records for name, records in self.answers.items() if name in names},
            progress={name: records for name, records in self.progress.items() if name in names},
            letters=[letter for letter in self.letters if header_text(letter.record.headers, "correlationid") in names],
        )


def completed(ids: Sequence[UUID]) -> dict[UUID, str]:
    """Every request completed."""
    return dict.fromkeys(ids, "COMPLETED")


async def gather_evidence(stack: Stack) -> Evidence:
    """Read PostgreSQL and the output topics from their start."""

    async def topic(name: str) -> Sequence[Record]:
        return await read_all(stack.settings.kafka, stack.settings.topic_prefix + name)

    return Evidence(
        workflows=await stack.rows("SELECT id, status, parts_total, parts_done, seq, finished_at FROM workflows"),
        parts=await stack.rows("SELECT id, workflow_id, key, engine, result IS NOT NULL AS answered FROM parts"),
        results=await stack.rows("SELECT workflow_id, part_id, cluster_rank, rank, config_id FROM simulation_results"),
        unsent=await stack.rows("SELECT stream_key, topic FROM outbox WHERE sent_at IS NULL"),
        versions={row["key"]: row["version"] for row in await stack.rows("SELECT key, version FROM blacklist_versions")},
        answers=_by_key(await topic(catalogue.RECOMMENDATIONS)),
        progress=_by_key(await topic(catalogue.PROGRESS)),
        updates=await topic(catalogue.BLACKLIST_UPDATES),
        letters=[DeadLetter.from_record(record) for record in await topic(catalogue.DEAD_LETTERS)],
    )


def check(evidence: Evidence, expected: Expectation) -> None:
    """Assert every invariant."""
    check_workflows(evidence, expected)
    check_parts(evidence, expected)
    check_results(evidence)
    check_answers(evidence, expected)
    check_progress(evidence, expected)
    check_dead_letters(evidence, expected)
    check_drained(evidence)


def check_workflows(evidence: Evidence, expected: Expectation) -> None:
    """Every request is exactly one workflow, in the terminal state expected of it."""
    found = {row["id"]: row["status"] for row in evidence.workflows}
    assert Counter(found.values()) == Counter(expected.statuses.values())
    assert found == dict(expected.statuses)
    assert set(found.values()) <= set(TERMINAL)
    assert all(row["finished_at"] is not None for row in evidence.workflows)


def check_parts(evidence: Evidence, expected: Expectation) -> None:
    """Each part of a completed workflow has its one result, and was counted once."""
    by_workflow = defaultdict(list)
    for row in evidence.parts:
        by_workflow[row["workflow_id"]].append(row)
    for workflow in evidence.workflows:
        parts = by_workflow[workflow["id"]]
        assert workflow["parts_total"] == len(parts)
        assert workflow["parts_done"] == sum(part["answered"] for part in parts)
        if workflow["status"] == "COMPLETED":
            assert all(part["answered"] for part in parts)
            assert expected.parts in (None, len(parts))


def check_results(evidence: Evidence) -> None:
    """No configuration is stored twice: one row for each rank in a cluster's list, of a part that exists."""
    places = Counter((row["workflow_id"], row["cluster_rank"], row["rank"]) for row in evidence.results)
    assert [place for place, count in places.items() if count > 1] == []
    assert {row["part_id"] for row in evidence.results} <= {row["id"] for row in evidence.parts}
    ended_well = {row["id"] for row in evidence.workflows if row["status"] in ("COMPLETED", "PARTIAL")}
    assert {row["workflow_id"] for row in evidence.results} == ended_well


def check_answers(evidence: Evidence, expected: Expectation) -> None:
    """Each request has its answer under one ce_id, with one body."""
    statuses = {str(workflow_id): status for workflow_id, status in expected.statuses.items()}
    answered = {workflow_id for workflow_id, status in statuses.items() if status != "CANCELLED"}
    assert answered <= set(evidence.answers) <= set(statuses)
    stored = defaultdict(set)
    for row in evidence.results:
        stored[str(row["workflow_id"])].add(str(row["config_id"]))
    for workflow_id, records in evidence.answers.items():
        assert len({_ce_id(record) for record in records}) == 1
        assert len({record.value for record in records}) == 1
        body = _body(records[0])
        if statuses[workflow_id] == "CANCELLED":
            assert (body["status"], body["error"]["code"], body["recommendations"]) == ("failed", "cancelled", [])
        else:
            assert body["status"] == statuses[workflow_id].lower()
        assert {entry["config_id"] for item in body["recommendations"] for entry in item["configurations"]} <= stored[workflow_id]


def check_progress(evidence: Evidence, expected: Expectation) -> None:
    """Progress arrives in order, numbered without a gap; what comes twice is the same event."""
    for row in evidence.workflows:
        numbered = [record for record in evidence.progress.get(str(row["id"]), ()) if _body(record)["seq"] >= 0]
        events = numbered if row["seq"] else []  # an id cancelled before its request came has one event that it does not count
        first: dict[int, Record] = {}
        for record in events:
            known = first.setdefault(_body(record)["seq"], record)
            assert (_ce_id(known), known.value) == (_ce_id(record), record.value)
        assert list(first) == list(range(row["seq"]))  # in the order of their first arrival
        assert len({_ce_id(record) for record in first.values()}) == len(first)
        last = LAST_STEPS.get(row["status"])
        if last is not None:
            payload = _body(first[row["seq"] - 1])["payload"]
            assert (payload["event"], payload["content"]["status"]) == last


def check_dead_letters(evidence: Evidence, expected: Expectation) -> None:
    """Nothing is dead-lettered but what had to be; at least once, for a dead letter may be written again after a crash."""
    reasons = [(letter.topic, letter.agent, letter.reason) for letter in evidence.letters]
    assert {letter.record.value for letter in evidence.letters} == set(expected.dead_letters), reasons


def check_drained(evidence: Evidence) -> None:
    """The outbox is empty, and the last entry set of each blacklist key was sent."""
    assert list(evidence.unsent) == []
    sent: dict[str, int] = {}
    for record in evidence.updates:
        blacklist = _body(record)["blacklist"]
        sent[blacklist["key"]] = max(blacklist["version"], sent.get(blacklist["key"], 0))
    assert sent == dict(evidence.versions)


def repeated(evidence: Evidence) -> int:
    """How many answers and progress events came more than once under their ce_id."""
    groups = [*evidence.answers.values(), *evidence.progress.values()]
    return sum(len(records) - len({_ce_id(record) for record in records}) for records in groups)


def _by_key(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[(record.key or b"").decode()].append(record)
    return dict(found)


def _ce_id(record: Record) -> str | None:
    return header_text(record.headers, "ce_id")


def _body(record: Record) -> Any:
    return json.loads(record.value or b"null")
