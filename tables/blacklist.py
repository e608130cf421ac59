"""The hot copy of the blacklist: key cluster_id|device_type → the key's whole entry set, as JSON bytes of `Blacklist`."""

from typing import Final

NAME: Final = "blacklist"
KEY_TYPE: Final = bytes
VALUE_TYPE: Final = bytes
