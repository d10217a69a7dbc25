"""Small datasets written exactly as the public ones lie on disk, traps included, and what a reader must find there.

One module per family of datasets, with its trees by name in `TREES`.
"""

from __future__ import annotations

from trees import (
    acted_clips,
    affectnet,
    clip_lists,
    csv_lists,
    drawn,
    fer2013,
    folders,
    hub,
    lab,
    listed_clips,
    listed_faces,
    mafw,
    path_lists,
    raf,
    raf_copies,
    raf_sets,
    sfew,
    wild,
)
from trees.tree import JUNK, KINDS, Tree, pack, picture

__all__ = ["JUNK", "KINDS", "TREES", "Tree", "pack", "picture"]

TREES = {
    **drawn.TREES,
    **fer2013.TREES,
    **wild.TREES,
    **raf.TREES,
    **affectnet.TREES,
    **raf_copies.TREES,
    **raf_sets.TREES,
    **sfew.TREES,
    **lab.TREES,
    **listed_faces.TREES,
    **folders.TREES,
    **csv_lists.TREES,
    **path_lists.TREES,
    **hub.TREES,
    **acted_clips.TREES,
    **listed_clips.TREES,
    **mafw.TREES,
    **clip_lists.TREES,
}
