"""What a latency is asked for: candidates of one scenario, with the constants that hold there."""

from budsim.core.engines.candidates import Rows
from budsim.core.engines.spec import Scenario
from budsim.core.latency.efficiency import Efficiency
from budsim.core.latency.overheads import Overheads
from budsim.core.values import light_value


@light_value
class Case:
    """Candidates of one scenario on one device family and engine: one, or columns of them."""

    scenario: Scenario
    candidates: Rows
    efficiency: Efficiency
    overheads: Overheads
