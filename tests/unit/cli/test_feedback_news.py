"""What a caller who waits for feedback to count is told."""

from uuid import UUID, uuid4

import pytest

from budsim.adapters.clock import SystemClock
from budsim.adapters.wire.messages import KafkaMessages
from budsim.cli.ask import applied
from budsim.core.errors import InvalidInput, Unavailable
from budsim.services.plan import failure_of
from budsim.stream.codec import Record

WORKFLOW, CONFIG = uuid4(), UUID(int=7)
MESSAGES = KafkaMessages(prefix="t.", clock=SystemClock())


async def records(*messages):
    """Yield messages as they are read."""
    for offset, message in enumerate(messages):
        yield Record(topic=message.topic, partition=0, offset=offset, key=message.key, value=message.value, headers=())


def refused():
    error = InvalidInput("config_id is not known", param="config_id", remedy="name one that was recommended")
    return MESSAGES.feedback_refused(WORKFLOW, uuid4(), failure_of(error))


async def test_feedback_that_counts_ends_the_waiting():
    await applied(records(MESSAGES.feedback_applied(WORKFLOW, uuid4()), refused()), CONFIG)


async def test_feedback_that_is_refused_ends_the_waiting_with_the_reason():
    with pytest.raises(InvalidInput, match="config_id is not known") as told:
        await applied(records(refused(), MESSAGES.feedback_applied(WORKFLOW, uuid4())), CONFIG)
    assert str(CONFIG) in str(told.value)


async def test_feedback_of_which_nothing_is_heard_is_not_taken_for_applied():
    with pytest.raises(Unavailable, match="not applied in time"):
        await applied(records(), CONFIG)
