"""The interconnect of a node as its reporter words it, read as a kind of link."""

import re
from dataclasses import replace
from typing import Final

from budsim.core.hardware.catalogue import links
from budsim.core.hardware.spec import Link
from budsim.core.units import GB

# A plain «NVLink» may mean what joins the devices of the node, so it names nothing here.
_RACK: Final = re.compile(r"\bNVL\s?\d\d\b|\bMNNVL\b|MULTI-?NODE[ -]NVLINK")
# «NDR», or «NDR200» with its Gb/s where a port is split.
_GENERATION: Final = re.compile(r"\b([XNH]DR)(\d{3})?\b")
_REMOTE_MEMORY: Final = re.compile(r"INFINIBAND|\bIB\b|ROCE|RDMA|\bEFA\b")
# «400G», «200 Gb/s», «100GbE», «100Gbps» are bits; «50 GB/s» and «50GBps» are bytes.
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*G(B/s|Bps)?")
_BITS_PER_BYTE: Final = 8


def named_interconnect(text: str | None, *, within_node: Link) -> Link | None:
    """Return the link between nodes that a wording names, None when it names none for certain.

    Args:
        text: For example «InfiniBand NDR», «RoCE 400G», «100GbE», «NVL72».
        within_node: The device's own link, which a rack-wide NVLink domain carries on between the nodes.
    """
    words = (text or "").upper()
    if _RACK.search(words):
        return within_node
    generation = _GENERATION.search(words)
    return _of_generation(generation) if generation else _of_rate(text or "")


def _of_generation(generation: re.Match[str]) -> Link:
    known, split = links()[f"ib-{generation.group(1).lower()}"], generation.group(2)
    return replace(known, bandwidth_bytes_per_s=float(split) * GB / _BITS_PER_BYTE) if split else known


def _of_rate(text: str) -> Link | None:
    rate = _RATE.search(text)
    if rate is None:
        return None
    nearest = links()["ib-hdr" if _REMOTE_MEMORY.search(text.upper()) else "eth-100"]
    return replace(nearest, bandwidth_bytes_per_s=float(rate.group(1)) * GB / (1 if rate.group(2) else _BITS_PER_BYTE))
