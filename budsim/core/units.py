"""The only place where unit factors stand. SI inside; GB, GiB, ms and TFLOPS only at the edge."""

from typing import Final

KB: Final = 10**3
MB: Final = 10**6
GB: Final = 10**9
TB: Final = 10**12
MIB: Final = 2**20
GIB: Final = 2**30
TERA: Final = 10**12
MILLION: Final = 10**6
MS_PER_S: Final = 1_000.0
US_PER_S: Final = 1_000_000.0
SECONDS_PER_MINUTE: Final = 60.0
SECONDS_PER_HOUR: Final = 3_600.0
HOURS_PER_YEAR: Final = 8_760.0


def seconds_to_ms(seconds: float) -> float:
    """Return milliseconds."""
    return seconds * MS_PER_S


def ms_to_seconds(milliseconds: float) -> float:
    """Return seconds."""
    return milliseconds / MS_PER_S


def bytes_to_gb(size_bytes: float) -> float:
    """Return GB (10⁹ bytes)."""
    return size_bytes / GB


def bytes_to_gib(size_bytes: float) -> float:
    """Return GiB (2³⁰ bytes)."""
    return size_bytes / GIB
