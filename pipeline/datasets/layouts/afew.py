"""`afew`: clips of films in class folders, as videos and as aligned faces."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from pipeline.datasets.layouts.afew_facts import FACTS
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.clip_lists import conflict_notes
from pipeline.datasets.reading.clips import ClipFiles, ClipOptions, assemble_clips
from pipeline.datasets.reading.halves import refuse_without_test
from pipeline.datasets.reading.rows import CONFLICT, Row, translate, val_as_test
from pipeline.datasets.reading.split_folders import first_split, split_above
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample
from pipeline.video.formats import is_video

__all__ = ["Afew", "AfewOptions"]

_NO_LABEL = "no label"
_OUTSIDE = "outside the split folders"
_NUMBERED = re.compile(r"[01]_[0-6]_(\d+)")  # a name with the numbers of its split and label before it
_FACES = ("faces", "alignedfaces")  # what names of folders begin with that hold the aligned faces of all classes


_Key = tuple[str, str]  # split and name of a clip


class AfewOptions(ClipOptions):
    frames: Literal["auto", "faces", "videos"] = Field(
        "auto", description="folders of frames (faces), or videos; auto takes the frames where there are any"
    )


class Afew:
    """`Train_AFEW/Happy/000046280.avi` and `Val_AFEW/...`, their aligned faces in
    `Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/000046280/*.jpg`, or frames in class folders:
    `AFEW_Face/train/Happiness/0_0_000046280/*.jpg`.

    The split of a clip is that of the folders above it whose names begin with Train, Val or Test. Its expression is the
    folder that it is in, or that its video is in: aligned faces need the videos beside them for their labels alone. A
    video without faces is then a rejected clip. Lists of programs (`AFEW_train.txt`) are read by the layout `clips`.

    Labels of the test clips are not public: they are counted as excluded. Val is what the field tests on, so it is the
    test split here, and val is carved out of train.
    """

    name = "afew"
    summary = "Train_AFEW/ and Val_AFEW/ with a folder of .avi videos or of frame folders for each expression"
    Options = AfewOptions
    facts = FACTS

    def scan(self, root: Root, options: AfewOptions) -> Scan:
        found = list(_found(root))
        if not any(clip.split for clip in found):
            raise not_this_layout(root, self)
        kind = _kind(found, options.frames)
        clips = _Clips(root, found, kind)
        rows = val_as_test([*clips.rows(), *clips.unlabelled()])
        refuse_without_test(root, rows, options, "Val_AFEW/")
        others = sum(clip.kind != kind for clip in found)
        note = (
            f"clips are read as {kind}; {others:,} of the other form are not read, but for their labels"
            if others
            else ""
        )
        return assemble_clips(rows, options, kind, tuple(filter(None, [note, *conflict_notes(rows)])))


@dataclass(frozen=True)
class _Found:
    """A folder of frames or a video.

    Parameters
    ----------
    folder : class folder that it is in; empty if it is in none
    split : of the folders above; empty if none names one
    """

    path: str
    kind: Literal["faces", "videos"]
    split: str
    folder: str
    name: str

    @property
    def key(self) -> _Key:
        return self.split, self.name


def _found(root: Root) -> Iterator[_Found]:
    files = ClipFiles(root)
    for path in [*files.folders, *files.videos]:
        pure = PurePosixPath(path)
        name, folder, split = pure.stem if is_video(path) else pure.name, pure.parent.name, split_above(root, path)
        is_class = split != "test" and not first_split(folder) and not folder.casefold().startswith(_FACES)
        numbered = _NUMBERED.fullmatch(name)
        yield _Found(
            path,
            "videos" if is_video(path) else "faces",
            split,
            folder if is_class else "",
            composed(numbered[1] if numbered else name),
        )


def _kind(found: Sequence[_Found], requested: str) -> Literal["faces", "videos"]:
    labelled = {clip.key for clip in found if clip.split and clip.folder}
    has_faces = any(clip.kind == "faces" and clip.key in labelled for clip in found)
    return "faces" if requested == "faces" or (requested == "auto" and has_faces) else "videos"


class _Clips:
    """The clips of the root: what is known of them by all forms, and where they are in the form that is read."""

    def __init__(self, root: Root, found: Sequence[_Found], kind: str) -> None:
        self._root, self._kind, self._found = root, kind, found
        labelled = [clip for clip in found if clip.split and clip.folder]
        labels = translate([clip.folder for clip in labelled], None, str(root.path))
        self._labels: dict[_Key, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # -> kind -> labels
        self._paths: dict[tuple[_Key, str], str] = {}  # clip and label, or no label -> path in the form that is read
        for clip, label in zip(labelled, labels, strict=True):
            self._labels[clip.key][clip.kind].add(label)
            self._add(clip, label)
        for clip in found:
            if clip.split and not clip.folder:
                self._add(clip, "")

    def _add(self, clip: _Found, label: str) -> None:
        if clip.kind != self._kind:
            return
        first = self._paths.setdefault((clip.key, label), clip.path)
        if first != clip.path:
            raise DatasetError(
                f"{self._root.path}: expected every clip in one folder, found {some([first, clip.path])}: two copies. "
                "Move one of them out of the root"
            )

    def rows(self) -> Iterator[Row]:
        """A row for each clip with a label. In other class folders may be other clips of the same name."""
        for key, labels in self._labels.items():
            read = labels[self._kind]
            others = set().union(*(labels[kind] for kind in labels if kind != self._kind))
            for label in sorted(read):
                yield self._row(key, label, is_unclear=bool(others) and label not in others)
            if not read - others or not others:
                flat = (key, "") in self._paths
                for label in sorted(others - read):
                    yield self._row(key, label, is_unclear=flat and len(others) > 1)

    def _row(self, key: _Key, label: str, *, is_unclear: bool) -> Row:
        split, name = key
        identity = f"{split}/{label}/{name}"
        path = self._paths.get((key, label)) or self._paths.get((key, "")) or identity
        return Row(Sample(identity, path, label, split, reason=CONFLICT if is_unclear else ""))

    def unlabelled(self) -> Iterator[Row]:
        """Excluded rows of clips without a label, and of those that are in no split."""
        for clip in self._found:
            if not clip.split:
                yield Row(Sample("", clip.path, "", ""), excluded=_OUTSIDE)
            elif clip.kind == self._kind and not clip.folder and clip.key not in self._labels:
                yield Row(Sample("", clip.path, "", ""), excluded=_NO_LABEL)
