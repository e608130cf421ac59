"""KafkaMessages: facts of the services as CloudEvents in binary mode. Ids are uuid5 of the parent and the part."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.errors import MessageTooLarge
from budsim.core.ranking.recommendation import Completion, Failure, Recommendation
from budsim.core.search.part import Blacklist, Part, PartResult, SearchTask
from budsim.services.cancel import cancellation
from budsim.services.causation import parent
from budsim.services.ports import Clock, OutgoingMessage, StepProgress, WorkflowStatus
from budsim.services.request import SimulationRequest
from topics import catalogue
from topics.blacklist_updates import BlacklistUpdated
from topics.clusters import ClusterUpdated
from topics.evaluations import EvaluationRequested
from topics.feedback import FeedbackGiven
from topics.progress import FEEDBACK_APPLIED, FEEDBACK_REFUSED, ProgressContent, ProgressPayload, ProgressReported, ProgressStatus
from topics.searches import SearchRequested
from topics.simulation_requests import SimulationRequested
from topics.wire import Event
from topics.workflow_events import DeadlineReached, PartFinished, WorkflowEvent

SOURCE = "budsim"
NAMESPACE = UUID("5a2f3c5e-7f0b-5c1e-9f57-0b6d51a3c0de")  # of ids that have no workflow for parent


class KafkaMessages:
    """Encodes facts for one topic prefix.

    Every method raises MessageTooLarge for a value that readers would refuse.
    """

    def __init__(self, *, prefix: str, clock: Clock, max_value_bytes: int = catalogue.MAX_VALUE_BYTES) -> None:
        self._prefix = prefix
        self._clock = clock
        self._max_value_bytes = max_value_bytes

    def request(self, event: SimulationRequested, workflow_id: UUID, *, traceparent: str | None = None) -> OutgoingMessage:
        """Return the request keyed by its workflow."""
        whole = event.model_copy(update={"workflow_id": workflow_id})
        return self._message(catalogue.SIMULATION_REQUESTS, whole, key=str(workflow_id), workflow_id=workflow_id, traceparent=traceparent)

    def feedback(self, event: FeedbackGiven) -> OutgoingMessage:
        """Return feedback keyed by its configuration."""
        return self._message(
            catalogue.FEEDBACK, event, key=str(event.config_id), workflow_id=event.workflow_id, name=event.model_dump_json()
        )

    def progress(self, request: SimulationRequest, step: StepProgress, seq: int) -> Sequence[OutgoingMessage]:
        """Return the progress event for progress.v1 and for each source topic of the request."""
        event = _progress_event(request, step, seq)
        names = (self._prefix + catalogue.PROGRESS, *request.source_topics)
        workflow_id = request.workflow_id
        return [self._message(name, event, key=str(workflow_id), workflow_id=workflow_id, name=str(seq), full_name=True) for name in names]

    def refusal(self, workflow_id: UUID, failure: Failure) -> Sequence[OutgoingMessage]:
        """Return the failed progress event and the failed answer of a request that could not be read."""
        text = f"{failure.message}. {failure.remedy}".strip()
        content = ProgressContent(title="Validation", message=text, status=ProgressStatus.FAILED, primary_action="retry")
        payload = ProgressPayload(event="validation", workflow_id=str(workflow_id), content=content)
        event = ProgressReported(payload=payload, workflow_id=str(workflow_id), seq=0)
        answer = Recommendation(
            workflow_id=str(workflow_id), completion=Completion.FAILED, clusters=(), failure=failure, created_s=self._clock.now_s()
        )
        progress = self._message(catalogue.PROGRESS, event, key=str(workflow_id), workflow_id=workflow_id, name="refused")
        return [progress, self.recommendation(answer)]

    def cancelled(self, workflow_id: UUID) -> OutgoingMessage:
        """Return the news that a workflow was cancelled before its request came."""
        step = cancellation(WorkflowStatus.PENDING)
        content = ProgressContent(
            title=step.title, message=step.message, status=ProgressStatus(step.status), primary_action=step.primary_action
        )
        payload = ProgressPayload(event=step.event, workflow_id=str(workflow_id), content=content)
        event = ProgressReported(payload=payload, workflow_id=str(workflow_id), seq=0)
        return self._message(catalogue.PROGRESS, event, key=str(workflow_id), workflow_id=workflow_id, name="cancelled")

    def feedback_applied(self, workflow_id: UUID, event_id: UUID) -> OutgoingMessage:
        """Return the news that feedback counts from now on."""
        content = ProgressContent(title="Feedback", message=FEEDBACK_APPLIED, status=ProgressStatus.COMPLETED)
        return self._feedback_news(FEEDBACK_APPLIED, content, workflow_id, event_id)

    def feedback_refused(self, workflow_id: UUID, event_id: UUID, failure: Failure) -> OutgoingMessage:
        """Return the news that feedback does not count, and why."""
        text = f"{failure.message}. {failure.remedy}".strip()
        content = ProgressContent(title="Feedback", message=text, status=ProgressStatus.FAILED, primary_action="retry")
        return self._feedback_news(FEEDBACK_REFUSED, content, workflow_id, event_id)

    def _feedback_news(self, name: str, content: ProgressContent, workflow_id: UUID, event_id: UUID) -> OutgoingMessage:
        payload = ProgressPayload(event=name, workflow_id=str(workflow_id), content=content)
        event = ProgressReported(payload=payload, workflow_id=str(workflow_id), seq=-1)
        return self._message(catalogue.PROGRESS, event, key=str(workflow_id), workflow_id=workflow_id, name=f"feedback/{event_id}")

    def cluster(self, event: ClusterUpdated) -> OutgoingMessage:
        """Return a topology keyed by its cluster."""
        return self._message(catalogue.CLUSTERS, event, key=event.id, workflow_id=None, name=f"{event.id}/{self._clock.now_s()}")

    def cluster_removed(self, cluster_id: str) -> OutgoingMessage:
        """Return the tombstone of a cluster."""
        return OutgoingMessage(topic=self._prefix + catalogue.CLUSTERS, key=cluster_id.encode(), value=None)

    def evaluation(self, part: Part) -> OutgoingMessage:
        """Return the request to narrow a part."""
        return self._message(
            catalogue.EVALUATIONS, EvaluationRequested(part=part), key=part.key, workflow_id=UUID(part.workflow_id), name=part.part_id
        )

    def search(self, task: SearchTask) -> OutgoingMessage:
        """Return the request to search a narrowed part."""
        part = task.part
        return self._message(
            catalogue.SEARCHES, SearchRequested(task=task), key=part.part_id, workflow_id=UUID(part.workflow_id), name=part.part_id
        )

    def part_finished(self, part: Part, result: PartResult) -> OutgoingMessage:
        """Return the news that a part has its result."""
        workflow_id = UUID(part.workflow_id)
        event = WorkflowEvent(workflow_id=workflow_id, body=PartFinished(result=result))
        return self._message(catalogue.WORKFLOW_EVENTS, event, key=str(workflow_id), workflow_id=workflow_id, name=part.part_id)

    def deadline(self, workflow_id: UUID) -> OutgoingMessage:
        """Return the news that a workflow's deadline has passed."""
        event = WorkflowEvent(workflow_id=workflow_id, body=DeadlineReached())
        return self._message(catalogue.WORKFLOW_EVENTS, event, key=str(workflow_id), workflow_id=workflow_id, name="deadline")

    def recommendation(self, recommendation: Recommendation) -> OutgoingMessage:
        """Return the answer."""
        workflow_id = UUID(recommendation.workflow_id)
        event = recommendation_event(recommendation)
        return self._message(catalogue.RECOMMENDATIONS, event, key=str(workflow_id), workflow_id=workflow_id)

    def blacklist(self, blacklist: Blacklist) -> OutgoingMessage:
        """Return a key's whole entry set."""
        event = BlacklistUpdated(blacklist=blacklist)
        return self._message(
            catalogue.BLACKLIST_UPDATES, event, key=blacklist.key, workflow_id=None, name=f"{blacklist.key}/{blacklist.version}"
        )

    def _message(
        self,
        topic: str,
        event: Event,
        *,
        key: str,
        workflow_id: UUID | None,
        name: str = "",
        traceparent: str | None = None,
        full_name: bool = False,
    ) -> OutgoingMessage:
        full = topic if full_name else self._prefix + topic
        value = event.model_dump_json().encode()
        most = catalogue.MAX_INNER_BYTES if topic in catalogue.INNER else self._max_value_bytes
        if len(value) > most:
            raise MessageTooLarge(
                f"{event.ce_type} for {key} has {len(value):,} bytes, over the {most:,} that are taken.",
                remedy="Ask for fewer clusters or a smaller top_k.",
            )
        cause = parent()
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid5(workflow_id or NAMESPACE, f"{topic}/{event.ce_type}/{name}")),
            "ce_type": event.ce_type,
            "ce_source": SOURCE,
            "ce_subject": key,
            "ce_time": datetime.fromtimestamp(self._clock.now_s(), tz=UTC).isoformat(),
            "content-type": "application/json",
            "correlationid": str(workflow_id) if workflow_id else None,
            "causationid": cause.event_id,
            "traceparent": traceparent or cause.traceparent,
        }
        sent = tuple((header, text.encode()) for header, text in headers.items() if text)
        return OutgoingMessage(topic=full, key=key.encode(), value=value, headers=sent)


def _progress_event(request: SimulationRequest, step: StepProgress, seq: int) -> ProgressReported:
    result = recommendation_event(step.result).model_dump(mode="json") if step.result else None
    content = ProgressContent(
        title=step.title, message=step.message, status=ProgressStatus(step.status), result=result, primary_action=step.primary_action
    )
    return ProgressReported(
        payload=ProgressPayload(
            event=step.event, workflow_id=request.notification_workflow_id or str(request.workflow_id), content=content
        ),
        notification_metadata=request.notification_metadata,
        workflow_id=str(request.workflow_id),
        seq=seq,
        eta_s=step.eta_s,
        percent=step.percent,
    )
