"""What a latency is asked for: candidates of one scenario, with the constants that hold there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budsim.core.engines.candidates import Candidates
from budsim.core.engines.spec import EngineKind, Scenario
from budsim.core.hardware.spec import DeviceType
from budsim.core.latency.efficiency import EFFICIENCIES, Efficiency
from budsim.core.latency.overheads import OVERHEADS, Overheads

CONSTANTS_VERSION: Final = "analytic-2026-11-24.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Candidates of one scenario on one device family and engine."""

    scenario: Scenario
    candidates: Candidates
    efficiency: Efficiency
    overheads: Overheads


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """All constants of the latency model, and the name of the set."""

    version: str
    efficiencies: Mapping[DeviceType, Efficiency]
    overheads: Mapping[EngineKind, Overheads]

    def case(self, scenario: Scenario, candidates: Candidates) -> Case:
        """Return the candidates with the constants of their device family and engine."""
        return Case(
            scenario=scenario,
            candidates=candidates,
            efficiency=self.efficiencies[scenario.device.device_type],
            overheads=self.overheads[scenario.engine.kind],
        )


CONSTANTS: Final = Constants(version=CONSTANTS_VERSION, efficiencies=EFFICIENCIES, overheads=OVERHEADS)
