"""The commands."""

from budsim.cli.main import main

__all__ = ["main"]
