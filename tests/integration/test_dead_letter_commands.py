"""`budsim dlq` on a real broker: what is there is told, and goes back as it came."""

import asyncio
import json
import os
import subprocess
import sys

from aiokafka.admin import AIOKafkaAdminClient

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.app import topic_specs
from budsim.cli.admin import topic_admin
from budsim.cli.ask import send
from budsim.cli.kafka import read_all
from budsim.config import Settings, load_settings
from budsim.stream.codec import Record
from budsim.stream.dead_letters import Cause, dead_letter
from tests.support.waiting import wait_until
from topics import catalogue

VALUE = b'{"pretrained_model_uri": "\xff not JSON"'
HEADERS = (("ce_id", b"1"), ("traceparent", b"00-abc"), ("ce_id", b"2"))  # a name twice, and bytes that are no text
CAUSE = Cause(agent="plan", error="InvalidInput", reason="the value is not JSON [line 1]", attempts=1, at_s=1_700_000_000.0)


async def budsim(settings: Settings, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"BUDSIM_KAFKA_BOOTSTRAP": settings.kafka_bootstrap, "BUDSIM_TOPIC_PREFIX": settings.topic_prefix}
    argv = [sys.executable, "-P", "-m", "budsim.cli", *words]
    return await asyncio.to_thread(
        subprocess.run, argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=240
    )


async def test_a_dead_letter_is_listed_shown_and_sent_back_untouched_once_its_topic_is_mended(
    kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    settings = load_settings(kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix)
    await topic_admin(settings).apply(topic_specs(settings))
    requests, letters = topic_prefix + catalogue.SIMULATION_REQUESTS, topic_prefix + catalogue.DEAD_LETTERS
    record = Record(topic=requests, partition=3, offset=7, key=b"workflow", value=VALUE, headers=HEADERS)
    await send(settings, [dead_letter(record, CAUSE, letters)])

    listed = await budsim(settings, "dlq", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (row,) = json.loads(listed.stdout)
    assert (row["agent"], row["from"], row["attempts"], row["reason"]) == ("plan", f"{requests}/3@7", 1, CAUSE.reason)
    assert row["at"] == "2023-11-14T22:13:20Z"
    table = await budsim(settings, "dlq", "list")
    assert (table.returncode, row["place"] in table.stdout) == (0, True)

    shown = json.loads((await budsim(settings, "dlq", "show", row["place"])).stdout)
    assert shown["value"] == '{"pretrained_model_uri": "\\xff not JSON"'
    assert shown["headers"][:3] == [["ce_id", "1"], ["traceparent", "00-abc"], ["ce_id", "2"]]
    nowhere = await budsim(settings, "dlq", "show", "9@9")
    assert (nowhere.returncode, nowhere.stderr) == (2, "budsim: there is no dead letter at '9@9'. See: budsim dlq list.\n")

    await _delete(settings, requests)
    refused = await budsim(settings, "dlq", "replay", row["place"])
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert f"topic {requests} is not found" in refused.stderr
    await topic_admin(settings).apply(topic_specs(settings))
    again = await budsim(settings, "dlq", "replay", "all")
    assert (again.returncode, again.stdout) == (0, "1 sent again\n"), again.stderr

    (back,) = await read_all(settings.kafka, requests)
    assert (back.key, back.value, back.headers) == (b"workflow", VALUE, HEADERS)


async def _delete(settings: Settings, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await wait_until(gone, 30, what=f"{topic} is gone")
    finally:
        await admin.close()
