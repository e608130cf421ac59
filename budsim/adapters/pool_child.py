"""One process of the pool: reads calls from a socket and answers them; run by `python -m`, so that the parent's program is not loaded."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from budsim.adapters.launch import die_with_parent

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # one each: the pool has as many processes as it may use cores


def _main() -> None:
    descriptor, parent_pid = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    die_with_parent(signal.SIGKILL, parent_pid)
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before numpy and XGBoost are loaded by the first call
    with ThreadPoolExecutor(max_workers=1) as computing:
        serve(Connection(descriptor), computing)


def serve(connection: "Connection[Any, Any]", computing: ThreadPoolExecutor) -> None:
    """Answer each (function, arguments) with (error, value) until the parent hangs up."""
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        done = computing.submit(function, *arguments)
        error = done.exception()  # the future catches whatever was raised: it belongs to the caller
        connection.send((error, None if error else done.result()))


if __name__ == "__main__":
    _main()
