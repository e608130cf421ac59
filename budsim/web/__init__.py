"""The aiohttp view."""
