"""A process of its own that starts an embedded server, tells its pid, and kills itself: what is left is what a crash leaves."""

import os
import signal
import sys
from pathlib import Path

from budsim.adapters.embedded_kafka import EmbeddedKafka
from budsim.adapters.embedded_postgres import EmbeddedPostgres

if __name__ == "__main__":
    server = {"kafka": EmbeddedKafka, "postgres": EmbeddedPostgres}[sys.argv[1]](Path(sys.argv[2]))
    server.start()
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
