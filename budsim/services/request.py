"""SimulationRequest: the validated question, in SI units."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from budsim.core.engines.spec import Endpoint, EngineKind
from budsim.core.hardware.spec import Cluster, HardwareMode
from budsim.core.predictors.protocol import Method
from budsim.core.search.part import SearchSettings
from budsim.core.slo import Slo
from budsim.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationRequest:
    """How should this model be deployed, for this load and these SLOs?

    Attributes:
        clusters: Inline topologies; empty means the known ones.
        quantization: Formats the weights may be in, as they were sent: one, several with commas, or «any»; None for as they are.
        usd_per_hour: Prices given with the request, by device name.
        body: The request as it came, for storage and for the caller's own metadata.
    """

    workflow_id: UUID
    model_uri: str
    proprietary: bool
    workload: Workload
    slo: Slo
    hardware_mode: HardwareMode
    method: Method
    settings: SearchSettings
    deadline_s: float
    cluster_id: str | None = None
    clusters: tuple[Cluster, ...] = ()
    quantization: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    engines: tuple[EngineKind, ...] = ()
    seed: int | None = None
    spread: bool = False
    model_set: str | None = None
    project_id: str | None = None
    token_id: UUID | None = None
    usd_per_hour: dict[str, float] = field(default_factory=dict)
    notification_workflow_id: str | None = None
    notification_metadata: dict[str, Any] | None = None
    source_topics: tuple[str, ...] = ()
    traceparent: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
