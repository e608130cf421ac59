"""The system's clock."""

import time


class SystemClock:
    """Unix time."""

    def now_s(self) -> float:
        """Return unix seconds."""
        return time.time()
