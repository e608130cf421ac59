"""Feedback on recommended configurations, and how to read an answer for what it says of them."""

from uuid import UUID

from tests.support.stack import EXAMPLES
from topics.clusters import ClusterUpdated
from topics.feedback import FeedbackGiven
from topics.recommendations import ConfigurationBody, RecommendationMade

A100_KEY = "a100-cluster|cuda"
A100 = ClusterUpdated.model_validate_json((EXAMPLES / "cluster-a100.json").read_bytes())
ONE_PART = {"cluster_id": "a100-cluster", "engines": ["vllm"], "top_k": 10}  # changes of the example request


def failed(body: ConfigurationBody, reason: str = "the pod crashed") -> FeedbackGiven:
    return FeedbackGiven(config_id=UUID(body.config_id), failed=True, reason=reason)


def works(body: ConfigurationBody) -> FeedbackGiven:
    return FeedbackGiven(config_id=UUID(body.config_id), failed=False)


def layout(body: ConfigurationBody) -> tuple[int, int]:
    return body.tp_size, body.pp_size


def offered(answer: RecommendationMade) -> list[ConfigurationBody]:
    """Every configuration of an answer on one cluster."""
    (cluster,) = answer.recommendations
    return [*cluster.configurations, *cluster.pareto]
