"""How to reach Kafka."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Address, and SASL and TLS as aiokafka names them."""

    bootstrap: str
    security: tuple[tuple[str, Any], ...] = ()
    request_timeout_s: float = 20.0

    def options(self) -> dict[str, Any]:
        """Return the arguments every aiokafka client takes."""
        return {"bootstrap_servers": self.bootstrap, **dict(self.security)}
