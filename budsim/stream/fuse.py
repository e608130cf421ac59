"""The fuse: when most messages fail unexpectedly, stop eating them."""

from collections import deque

WINDOW = 100
MINIMUM = 20  # with fewer seen, a handful of poisoned messages would stop their neighbours; with 100, a broken release would bury 100
SHARE = 0.5
COOL_DOWN_S = 60.0


class Fuse:
    """Closed, open, or half-open; a state machine without a clock of its own.

    Every message carries a ticket of its own (any object), so that only the one let through while half-open decides what follows.
    """

    def __init__(self, *, window: int = WINDOW, minimum: int = MINIMUM, share: float = SHARE, cool_down_s: float = COOL_DOWN_S) -> None:
        self._outcomes: deque[bool] = deque(maxlen=window)
        self._minimum = minimum
        self._share = share
        self._cool_down_s = cool_down_s
        self._opened_s: float | None = None
        self._probe: object | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages are held."""
        return self._opened_s is not None

    def admits(self, ticket: object, *, now_s: float) -> bool:
        """Whether a message may be tried: always while closed, one at a time once cooled down."""
        if self._opened_s is None or self._probe is ticket:
            return True
        if self._probe is not None or now_s - self._opened_s < self._cool_down_s:
            return False
        self._probe = ticket
        return True

    def record(self, ticket: object, *, failed: bool, now_s: float) -> None:
        """Note how a message ended; invalid input is not noted."""
        if self._opened_s is None:
            self._outcomes.append(failed)
            if len(self._outcomes) >= self._minimum and sum(self._outcomes) > self._share * len(self._outcomes):
                self._opened_s = now_s
        elif self._probe is ticket:
            self._probe = None
            self._opened_s = now_s if failed else None
            if not failed:
                self._outcomes.clear()

    def release(self, ticket: object) -> None:
        """Give back the place of a message that ended without an outcome of its own."""
        if self._probe is ticket:
            self._probe = None
