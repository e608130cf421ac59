"""An eval worker whose blacklist agent is not registered: its table stands as the changelog left it."""

from typing import Any

from budsim import app
from budsim.config import load_settings
from budsim.stream.loop import Route
from budsim.stream.worker import run_worker
from topics import catalogue


def routes_but_the_blacklist(*arguments: Any, **options: Any) -> dict[str, Route[Any]]:
    """Return the routes of an eval worker without the one that feeds the table."""
    return {topic: route for topic, route in _all(*arguments, **options).items() if topic != catalogue.BLACKLIST_UPDATES}


_all = app.eval_routes

if __name__ == "__main__":
    app.eval_routes = routes_but_the_blacklist
    settings = load_settings()
    run_worker(app.create_eval_app(settings), loglevel=settings.log_level)
