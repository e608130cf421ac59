"""Replicas put on the real nodes: which node gives which devices to which stage."""

from dataclasses import dataclass
from heapq import heappop, heappush

from budsim.core.errors import InvalidDeployment
from budsim.core.hardware.spec import HardwareGroup, NodeShare
from budsim.core.hardware.topology import max_replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlacement:
    """The devices of one pipeline stage, all on one node; ids where the cluster named its devices."""

    node_id: str
    node_name: str
    devices: int
    device_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaPlacement:
    """The stages of one replica, in pipeline order."""

    stages: tuple[StagePlacement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Replicas that stand on one node each, one after the other on its devices."""

    share: NodeShare
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Replicas of one shape on the nodes of a group.

    Attributes:
        whole: Nodes and how many replicas each holds alone, in the order they are filled.
        crossing: Those after them, that no node holds alone.
    """

    whole: tuple[Filling, ...]
    crossing: tuple[ReplicaPlacement, ...]


def place(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int, replicas: int) -> tuple[ReplicaPlacement, ...]:
    """Return where so many replicas stand, stage by stage; arguments and errors as of `pack`."""
    packing = pack(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel, replicas=replicas)
    rooms = ((_Room(filling.share), filling.replicas) for filling in packing.whole)
    whole = (
        ReplicaPlacement(stages=tuple(room.take(tensor_parallel) for _ in range(pipeline_parallel)))
        for room, held in rooms
        for _ in range(held)
    )
    return (*whole, *packing.crossing)


def pack(group: HardwareGroup, *, tensor_parallel: int, pipeline_parallel: int, replicas: int) -> Packing:
    """Return which nodes hold so many replicas.

    Each goes to the node it fills best; one that no node holds alone takes the roomiest nodes first, to cross few of them. A node that
    took one is the tightest for the next as long as it holds it, so nodes are filled one after the other, the smallest first.

    Args:
        group: Free devices by node.
        tensor_parallel: Devices of one stage. [devices]
        pipeline_parallel: Stages of one replica. [stages]
        replicas: How many to place.

    Raises:
        InvalidDeployment: The nodes do not hold so many.
    """
    held = max_replicas(group, tensor_parallel=tensor_parallel, pipeline_parallel=pipeline_parallel)
    if replicas > held:
        raise InvalidDeployment(
            f"{replicas} replicas of TP {tensor_parallel} × PP {pipeline_parallel} were asked for, "
            f"the {group.total_devices} devices of {group.device_name} on {group.cluster_id} hold {held}.",
            param="replicas",
            remedy=f"Ask for at most {held}." if held else "Choose a layout that the nodes carry.",
        )
    width = tensor_parallel * pipeline_parallel
    whole = _filled(group, width, replicas)
    left = replicas - sum(filling.replicas for filling in whole)
    if not left:
        return Packing(whole=whole, crossing=())
    rooms = _Rooms(group.nodes, width)
    return Packing(whole=whole, crossing=tuple(_place_one(rooms, tensor_parallel, pipeline_parallel) for _ in range(left)))


def _filled(group: HardwareGroup, width: int, replicas: int) -> tuple[Filling, ...]:
    """Return the nodes that hold replicas of so many devices alone, the smallest first, until all replicas stand."""
    filled: list[Filling] = []
    for share in sorted((share for share in group.nodes if share.devices >= width), key=lambda share: share.devices):
        if replicas <= 0:
            break
        here = min(replicas, share.devices // width)
        filled.append(Filling(share=share, replicas=here))
        replicas -= here
    return tuple(filled)


class _Room:
    """What is left of one node while replicas are placed."""

    def __init__(self, share: NodeShare, *, taken: int = 0) -> None:
        self._share = share
        self.free = share.devices - taken

    def take(self, devices: int) -> StagePlacement:
        first = self._share.devices - self.free
        self.free -= devices
        return StagePlacement(
            node_id=self._share.node_id,
            node_name=self._share.node_name,
            devices=devices,
            device_ids=self._share.device_ids[first : first + devices],
        )


class _Rooms:
    """Nodes by what is left of them, so that finding one takes as long as there are sizes, not nodes."""

    def __init__(self, shares: tuple[NodeShare, ...], width: int) -> None:
        """Take the nodes filled with as many replicas of `width` devices as each holds alone."""
        self._rooms = [_Room(share, taken=share.devices // width * width) for share in shares]
        self._left: dict[int, list[int]] = {}
        for index, room in enumerate(self._rooms):
            self._left.setdefault(room.free, []).append(index)

    def take(self, tensor_parallel: int, missing: int) -> list[StagePlacement]:
        """Return up to so many stages on the tightest node that holds them all, else on the roomiest; the first among equals."""
        wanted = tensor_parallel * missing
        free = min((free for free in self._left if free >= wanted), default=max(self._left))
        index = heappop(self._left[free])
        if not self._left[free]:
            del self._left[free]
        room = self._rooms[index]
        stages = [room.take(tensor_parallel) for _ in range(min(missing, room.free // tensor_parallel))]
        heappush(self._left.setdefault(room.free, []), index)
        return stages


def _place_one(rooms: _Rooms, tensor_parallel: int, pipeline_parallel: int) -> ReplicaPlacement:
    stages: list[StagePlacement] = []
    while len(stages) < pipeline_parallel:
        stages.extend(rooms.take(tensor_parallel, pipeline_parallel - len(stages)))
    return ReplicaPlacement(stages=tuple(stages))
