"""What Prometheus sees of a worker; docs/how-to/operate.md tells what each means and when to wake somebody."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

OUTCOMES = Counter("budsim_messages_total", "Messages by agent and outcome", ("agent", "outcome"))
ATTEMPTS_FAILED = Counter("budsim_failed_attempts_total", "Attempts that ended in an unexpected error", ("agent",))
GIVEN_UP = Counter("budsim_given_up_total", "Messages given up unacknowledged, to be read again", ("agent",))
SECONDS = Histogram(
    "budsim_message_seconds",
    "Time from reading a message to its outcome",
    ("agent",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
HOLDS = Counter("budsim_holds_total", "Outages and open fuses that messages began to wait out")
HOLDING = Gauge("budsim_holding", "Messages waiting out an outage")
FUSE_OPEN = Gauge("budsim_fuse_open", "1 while most messages failed unexpectedly and the worker holds")
SWEPT = Counter("budsim_swept_total", "Messages of the outbox that a crash or an outage had left unsent")
LAG = "budsim_lag_messages"


class LagCollector(Collector):
    """Asks for the lag of each topic whenever it is scraped."""

    def __init__(self, lag: Callable[[], Mapping[str, int]]) -> None:
        self._lag = lag

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return one gauge by topic."""
        gauge = GaugeMetricFamily(LAG, "Messages of this worker's partitions that are not committed yet", labels=("topic",))
        for topic, messages in self._lag().items():
            gauge.add_metric((topic,), messages)
        yield gauge
