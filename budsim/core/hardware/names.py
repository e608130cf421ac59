"""Device names as node labels and drivers write them, reduced to a key and the memory they mention."""

import re
from dataclasses import dataclass
from typing import Final

_MIG: Final = re.compile(r"\bMIG\b|\b\d+G\.\d+GB\b", re.IGNORECASE)
_CLUTTER: Final = re.compile(
    r"\((R|TM|C)\)|[®™]"  # trade marks
    r"|@?\s*\d+(\.\d+)?\s*GHZ"  # clocks
    r"|\b\d+-CORE(S)?\b"  # core counts of EPYC brand strings
    r"|\(GFX[^)]*\)",  # the architecture PyTorch adds on ROCm
)
_SPACED_MEMORY: Final = re.compile(r"\b(\d+)[ _-]+(GI?B)\b")
_MEMORY: Final = re.compile(r"(\d+)GI?B?")
_FORM_FACTOR: Final = re.compile(r"SXM\d")
_THREADS: Final = re.compile(r"\d+T")
# Words that tell nothing about the model: vendors, brands, packaging, memory technology, and what node labels leave of «(R)» and «(TM)».
_NOISE: Final = frozenset(
    [
        "NVIDIA",
        "TESLA",
        "GEFORCE",
        "BLACKWELL",
        "GENERATION",
        "EDITION",
        "SHARED",
        "TENSOR",
        "CORE",
        "GPU",
        "CORPORATION",
        "HBM2",
        "HBM3",
        "HBM3E",
        "PG509",
        "PG506",
        "AMD",
        "ATI",
        "ADVANCED",
        "MICRO",
        "DEVICES",
        "INC",
        "INSTINCT",
        "RADEON",
        "OAM",
        "VF",
        "ACCELERATOR",
        "EPYC",
        "PROCESSOR",
        "CPU",
        "INTEL",
        "XEON",
        "PLATINUM",
        "GOLD",
        "SILVER",
        "BRONZE",
        "HABANA",
        "LABS",
        "LTD",
        "R",
        "TM",
        "C",
        "AWS",
        "AI",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameKey:
    """What a name says: the whole key, the key without memory sizes, and the memory it mentions. [GB]"""

    whole: str
    bare: str
    memory_gb: int | None


def name_key(name: str) -> NameKey:
    """Return the key of a device name: upper case, without brands, marks, clocks and punctuation."""
    text = _SPACED_MEMORY.sub(r"\1\2", _CLUTTER.sub(" ", name.upper()))
    words = [word.strip(".") for word in re.split(r"[^A-Z0-9+.]+", text)]
    kept = [_FORM_FACTOR.sub("SXM", word) for word in words if word and word not in _NOISE and not _THREADS.fullmatch(word)]
    sizes = [match for word in kept if (match := _MEMORY.fullmatch(word))]
    bare = "".join(word for word in kept if not _MEMORY.fullmatch(word))
    return NameKey(whole="".join(kept), bare=bare, memory_gb=int(sizes[0].group(1)) if sizes else None)


def is_mig_slice(name: str) -> bool:
    """Return whether a name is that of a MIG slice, such as «NVIDIA-A100-SXM4-40GB-MIG-1g.5gb»."""
    return _MIG.search(name.replace("_", "-")) is not None
