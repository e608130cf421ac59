"""blacklist-updates.v1 → the blacklist table. It only sets, and only a higher version."""

from collections.abc import MutableMapping, Sequence

from agents.evaluate import BLACKLIST
from budsim.services.blacklist import supersedes
from budsim.services.ports import OutgoingMessage
from budsim.stream.codec import Codec, Received
from budsim.stream.loop import Route
from topics.blacklist_updates import BlacklistUpdated


def blacklist_route(table: MutableMapping[bytes, bytes], codec: Codec[BlacklistUpdated]) -> Route[BlacklistUpdated]:
    """Return the route of entry sets."""

    async def handle(received: Received[BlacklistUpdated]) -> Sequence[OutgoingMessage]:
        update = received.event.blacklist
        key = update.key.encode()
        stored = table.get(key)
        if supersedes(update, BLACKLIST.validate_json(stored) if stored else None):
            table[key] = BLACKLIST.dump_json(update)
        return ()

    return Route(agent="blacklist", codec=codec, handle=handle)
