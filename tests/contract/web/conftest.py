"""The web view over fakes."""

from collections.abc import AsyncIterator

import pytest

from tests.support.web_fakes import Office, open_office


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with open_office() as opened:
        yield opened
