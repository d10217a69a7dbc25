"""Where stores are: folders and object stores, links, locks.

paths      a path: of this machine, or in an object store
names      names that become parts of paths
objects    what an object store lacks: putting a finished tree into its place, and a lease
links      nothing is written through a link that leads out of its folder
lock       one writer at a time
refusals   why the system did not let a file be read
"""

from cache.places.paths import (
    AnyPath,
    as_path,
    exists,
    files_below,
    is_file,
    network_errors,
    read_all,
    read_limited,
    remove_tree,
    require_plain_file,
)

__all__ = [
    "AnyPath",
    "as_path",
    "exists",
    "files_below",
    "is_file",
    "network_errors",
    "read_all",
    "read_limited",
    "remove_tree",
    "require_plain_file",
]
