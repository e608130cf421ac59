"""The real web view, called as a caller would call it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientTimeout
from aiohttp.test_utils import TestClient

from budsim.app import create_web_app
from budsim.config import Settings
from budsim.storage.engine import create_engine, create_sessions
from budsim.storage.tokens import PostgresTokens
from tests.support.web_fakes import ServerAsInProduction


@dataclass
class WebCaller:
    """A client with a token for everything, and the way to make others."""

    client: "TestClient[Any, Any]"
    tokens: PostgresTokens
    secret: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, secret: str | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        """Return status and body; `headers` keeps those of the last answer."""
        headers = {"Authorization": f"Bearer {secret or self.secret}"} | (more.pop("headers", None) or {})
        async with self.client.request(method, path, headers=headers, timeout=ClientTimeout(120), **more) as response:
            self.headers = dict(response.headers)
            return response.status, await response.json()


@asynccontextmanager
async def calling(settings: Settings) -> AsyncIterator[WebCaller]:
    """Serve the application of these settings in this process."""
    engine = create_engine(settings.database_url)
    tokens = PostgresTokens(create_sessions(engine))
    secret = await tokens.create("test")
    try:
        async with TestClient(ServerAsInProduction(create_web_app(settings))) as client:
            yield WebCaller(client=client, tokens=tokens, secret=secret)
    finally:
        await engine.dispose()
