"""Outputs stay in the folder that was named: nothing is written through a link that leads out of it.

A project from elsewhere (git, tar and rsync keep links) may hold links to files and folders of its user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from cache.errors import StorageError
from cache.places.paths import AnyPath

__all__ = ["leading_out", "links_followed", "require_inside", "require_no_links"]

_FOLLOWED = ContextVar("links_followed", default=False)


@contextmanager
def links_followed() -> Iterator[None]:
    """Let outputs of the block leave their folder through links: `--follow-links`."""
    token = _FOLLOWED.set(True)
    try:
        yield
    finally:
        _FOLLOWED.reset(token)


def require_inside(path: AnyPath, root: AnyPath | None = None) -> None:
    """Refuse an output that a link takes out of the folder that was named.

    The last name of `path` may be a link: it is replaced by a file of its own, and never written through.

    Parameters
    ----------
    path : of a file or folder that will be written; its folders need not be there
    root : the folder that was named. Links above an absolute one are its user's own; a relative one may be a link that
        came with the project, so it must stay in the current folder. By default the folder of `path`

    Raises
    ------
    StorageError
        With the link and where it leads, unless links are followed.
    """
    if isinstance(path, Path) and (link := leading_out(path, root)):
        raise StorageError(
            f"cannot write {path}: {link} is a link to {os.path.realpath(link)}, which is outside the folder of the "
            "outputs. Name that folder itself by its whole path if it is yours, or allow such links with "
            "--follow-links (or FER_STAGE_FOLLOW_LINKS=1)"
        )


def leading_out(path: Path, root: AnyPath | None = None) -> Path | None:
    """The first link among the folders of `path` that leads out of `root`; None without one, or if links are followed.

    Parameters
    ----------
    path, root : as in `require_inside`
    """
    if _FOLLOWED.get():
        return None
    top = (root.absolute() if isinstance(root, Path) else path.parent) if path.is_absolute() else Path()
    links = (folder for folder in reversed(path.parents) if folder.is_symlink())
    below = (link for link in links if link != top and link.is_relative_to(top))
    return next((link for link in below if not _is_inside(link, top)), None)


def _is_inside(link: Path, folder: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder))


def require_no_links(folder: AnyPath) -> None:
    """Refuse a folder of unfinished work that is a link or holds one, which work on it would be written through.

    Raises
    ------
    StorageError
        With the first link that was found. `--follow-links` does not matter: our writers create no links.
    """
    if not isinstance(folder, Path):
        return
    inside = (os.path.join(top, name) for top, folders, files in os.walk(folder) for name in (*folders, *files))
    if link := next((path for path in (str(folder), *inside) if os.path.islink(path)), None):
        raise StorageError(
            f"cannot write {folder}: {link} is a link, which unfinished work never contains. Remove "
            f"{folder} and run the same command again"
        )
