"""The fuse: when most messages fail unexpectedly, stop eating them."""

from collections import deque

WINDOW = 100
MINIMUM = 20  # with fewer seen, two bad messages in a row would already open it
SHARE = 0.5
COOL_DOWN_S = 60.0


class Fuse:
    """Closed, open, or half-open; a state machine without a clock of its own."""

    def __init__(self, *, window: int = WINDOW, minimum: int = MINIMUM, share: float = SHARE, cool_down_s: float = COOL_DOWN_S) -> None:
        self._outcomes: deque[bool] = deque(maxlen=window)
        self._minimum = minimum
        self._share = share
        self._cool_down_s = cool_down_s
        self._opened_s: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether messages are held."""
        return self._opened_s is not None

    def admits(self, now_s: float) -> bool:
        """Whether a message may be tried: always while closed, one at a time once cooled down."""
        if self._opened_s is None:
            return True
        if self._probing or now_s - self._opened_s < self._cool_down_s:
            return False
        self._probing = True
        return True

    def record(self, *, failed: bool, now_s: float) -> None:
        """Note an outcome; invalid input is not one."""
        if self._opened_s is not None:
            self._probing = False
            if failed:
                self._opened_s = now_s
            else:
                self._opened_s = None
                self._outcomes.clear()
            return
        self._outcomes.append(failed)
        if len(self._outcomes) >= self._minimum and sum(self._outcomes) > self._share * len(self._outcomes):
            self._opened_s = now_s

    def release(self) -> None:
        """Give back a probe that ended without an outcome."""
        self._probing = False
