"""An eval worker whose search can be poisoned and held. Run as: python -m tests.support.poisoned_worker."""

from budsim.app import create_eval_app
from budsim.config import load_settings
from budsim.stream.worker import run_worker
from tests.support.poison import poisoned_search

if __name__ == "__main__":
    settings = load_settings()
    run_worker(create_eval_app(settings, compute=poisoned_search), loglevel=settings.log_level)
