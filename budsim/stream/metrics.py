"""What Prometheus sees of the loop."""

from prometheus_client import Counter, Gauge, Histogram

OUTCOMES = Counter("budsim_messages_total", "Messages by agent and outcome", ("agent", "outcome"))
ATTEMPTS_FAILED = Counter("budsim_failed_attempts_total", "Attempts that ended in an unexpected error", ("agent",))
SECONDS = Histogram(
    "budsim_message_seconds",
    "Time from reading a message to its outcome",
    ("agent",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
HOLDS = Counter("budsim_holds_total", "Outages and open fuses that messages began to wait out")
HOLDING = Gauge("budsim_holding", "Messages waiting out an outage")
