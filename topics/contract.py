"""The whole contract: which event goes over which topic, who sends it, and by what it is keyed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from topics import catalogue
from topics.blacklist_updates import BlacklistUpdated
from topics.clusters import ClusterUpdated
from topics.evaluations import EvaluationRequested
from topics.feedback import FeedbackGiven
from topics.prices import PriceUpdated
from topics.progress import ProgressReported
from topics.recommendations import RecommendationMade
from topics.searches import SearchRequested
from topics.simulation_requests import SimulationRequested
from topics.wire import Event
from topics.workflow_events import WorkflowEvent


class Direction(StrEnum):
    """Who writes and who reads, seen from BudSim."""

    INPUT = "input"  # others write, BudSim reads
    OUTPUT = "output"  # BudSim writes, others read
    INTERNAL = "internal"  # BudSim writes and reads; two releases may do so at once

    @property
    def is_read(self) -> bool:
        """Whether BudSim reads it, so that what was valid must stay valid."""
        return self is not Direction.OUTPUT

    @property
    def is_written(self) -> bool:
        """Whether BudSim writes it, so that readers must go on understanding it."""
        return self is not Direction.INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One topic and its event. `key` says what the message key is; `removable` that a null value removes the key."""

    topic: str
    event: type[Event]
    direction: Direction
    key: str
    removable: bool = False


CONVERSATIONS: Final = (
    Conversation(topic=catalogue.SIMULATION_REQUESTS, event=SimulationRequested, direction=Direction.INPUT, key="workflow_id"),
    Conversation(topic=catalogue.FEEDBACK, event=FeedbackGiven, direction=Direction.INPUT, key="config_id"),
    Conversation(topic=catalogue.CLUSTERS, event=ClusterUpdated, direction=Direction.INPUT, key="cluster_id", removable=True),
    Conversation(topic=catalogue.PRICES, event=PriceUpdated, direction=Direction.INPUT, key="device, or cluster_id|device", removable=True),
    Conversation(topic=catalogue.PROGRESS, event=ProgressReported, direction=Direction.OUTPUT, key="workflow_id"),
    Conversation(topic=catalogue.RECOMMENDATIONS, event=RecommendationMade, direction=Direction.OUTPUT, key="workflow_id"),
    Conversation(topic=catalogue.EVALUATIONS, event=EvaluationRequested, direction=Direction.INTERNAL, key="cluster_id|device_type"),
    Conversation(topic=catalogue.SEARCHES, event=SearchRequested, direction=Direction.INTERNAL, key="part_id"),
    Conversation(topic=catalogue.WORKFLOW_EVENTS, event=WorkflowEvent, direction=Direction.INTERNAL, key="workflow_id"),
    Conversation(topic=catalogue.BLACKLIST_UPDATES, event=BlacklistUpdated, direction=Direction.INTERNAL, key="cluster_id|device_type"),
)
