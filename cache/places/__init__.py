"""Where stores are: folders and object stores, links, locks.

paths      a place: a folder of this machine, or one in an object store
names      names that become parts of paths
objects    what an object store lacks: putting a finished tree into its place, and a lease
links      nothing is written through a link that leads out of its folder
lock       one writer at a time
refusals   why the system did not let a file be read
"""

from cache.places.paths import (
    Place,
    exists,
    files_below,
    is_file,
    is_remote,
    place,
    reachable,
    read_all,
    read_limited,
    remove_tree,
    require_plain_file,
)

__all__ = [
    "Place",
    "exists",
    "files_below",
    "is_file",
    "is_remote",
    "place",
    "reachable",
    "read_all",
    "read_limited",
    "remove_tree",
    "require_plain_file",
]
