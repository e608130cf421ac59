"""KafkaProbe: does a broker answer?"""

import asyncio
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from budsim.core.errors import Unavailable
from budsim.services.connection import KafkaConnection

KEPT_S: Final = 1.0  # an answer stands so long, so that many questions cost one connection


class KafkaProbe:
    """Asks over a fresh connection: one that was opened before an outage proves nothing."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._answered_s: float | None = None

    async def ask(self) -> None:
        """Return when a broker tells its metadata.

        Raises:
            Unavailable: None does.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._answered_s is not None and loop.time() - self._answered_s < KEPT_S:
                return
            self._answered_s = None
            await self._ask()
            self._answered_s = loop.time()

    async def _ask(self) -> None:
        client = AIOKafkaClient(**self._connection.options())
        try:
            await client.bootstrap()
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self._connection.bootstrap} is away ({error!r})") from error
        finally:
            await client.close()
