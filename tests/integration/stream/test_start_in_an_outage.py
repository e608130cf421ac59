"""A worker that is started while Kafka is away waits for it, and can be stopped meanwhile."""

import signal
import subprocess
import sys
from pathlib import Path

from budsim.adapters.data_folder import free_port
from tests.support.stream_bench import ROOT, ended
from tests.support.waiting import wait_until_blocking

SHUTDOWN_S = 10.0
WAITING = "the worker starts when it answers"


def test_a_worker_started_while_kafka_is_away_waits_and_ends_well_at_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "tests.support.stream_worker", f"127.0.0.1:{free_port()}", "t.", str(tmp_path), "memory://"]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, cwd=ROOT, stderr=out)
    try:
        wait_until_blocking(lambda: log.read_text().count(WAITING) > 1, 60.0, what="the worker waits")
        assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        assert ended(worker, SHUTDOWN_S) == 0
    finally:
        worker.kill()
        worker.wait()
