"""`dfew`: clips of films in five folds, by the lists of its authors or those of published programs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Literal, cast

from pydantic import Field

from pipeline.datasets.layouts.dfew_facts import FACTS
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.clip_forms import AUTO, Form, choose_form, find_forms
from pipeline.datasets.reading.clip_lists import ListedClip, labels_from, read_clip_list
from pipeline.datasets.reading.clips import ClipOptions, assemble_clips
from pipeline.datasets.reading.fold_lists import FoldList, read_folds
from pipeline.datasets.reading.listfile import read_table
from pipeline.datasets.roots.files import Root
from pipeline.tables.labels import CODE_MAPS
from pipeline.video.formats import is_video

__all__ = ["Dfew", "DfewOptions"]

_LABELS = tuple(CODE_MAPS["dfew"].values())
_DIGITS = 5  # of the name of a clip
# Kinds of lists; the first one that the root has is read.
_KINDS = {
    "EmoLabel_DataSplit": r"(?P<split>train|test)( ?\(single-label\w*\))?/set_(?P<fold>\d{1,3})\.csv",
    "label": r"single_(?P<split>train|test)set_(?P<fold>\d{1,3})\.csv",
    "txt lists": r"(DFEW_)?set_(?P<fold>\d{1,3})_(?P<split>train|test)\.txt",
}
_PREFERRED = ("clip_224x224", "jpg_256", "jpg_224", "data")
_PART = re.compile(r"(.*[_-])?part[_-]?\d[\d_-]*", re.IGNORECASE)


class DfewOptions(ClipOptions):
    frames: str = Field(
        AUTO,
        description="folder of the clips: clip_224x224, clip_224x224_16f, original, ...; auto takes the only one, or "
        "clip_224x224, jpg_256, jpg_224 or data",
    )
    first_label: Literal[0, 1] | None = Field(
        None, description="the number of happy in the lists; without it 1 in csv lists and 0 in txt lists"
    )


class Dfew:
    """`EmoLabel_DataSplit/{train,test}(single-labeled)/set_1.csv` to `set_5.csv` with `video_name,label`, or the lists
    `label/single_{train,test}set_1.csv`, or `DFEW_set_1_{train,test}.txt` with `path num_frames label`.

    Clips are folders of frames (`Clip/clip_224x224/00001/`, also below folders of parts) or videos
    (`Clip/original/1.mp4`), whose names are numbers with or without leading zeros. One form of them is read: see the
    option `frames`.

    `fold` is the fold whose test list has the clip. The test split is that of the first fold; all others are train, and
    val is carved out of it. Lists that contradict each other are refused, or a rejected clip where only its label
    differs.
    """

    name = "dfew"
    summary = (
        "EmoLabel_DataSplit/train(single-labeled)/set_1.csv and test(single-labeled)/set_1.csv of each fold, and "
        "Clip/clip_224x224/00001/*.jpg or Clip/original/1.mp4"
    )
    Options = DfewOptions
    facts = FACTS

    def scan(self, root: Root, options: DfewOptions) -> Scan:
        kinds = {kind: found for kind, pattern in _KINDS.items() if (found := _matches(root, pattern))}
        if not kinds:
            raise not_this_layout(root, self)
        kind, *other_kinds = kinds
        stated: dict[str, int] = {}
        lists = [_fold_list(root, match, options, stated) for match in kinds[kind]]
        folds = read_folds(root, lists)
        form, note = _form(root, folds.clips.__contains__, options.frames)
        unread = f"lists are read from {kind}; others are not read: {', '.join(other_kinds)}" if other_kinds else ""
        notes = tuple(filter(None, [unread, note, *folds.notes()]))
        return assemble_clips(folds.rows(form.path), options, f"{kind}, {form.name}", notes, stated)


def _matches(root: Root, pattern: str) -> list[re.Match[str]]:
    compiled = re.compile(f"(.*/)?{pattern}", re.IGNORECASE)
    return [match for name in root.names() if (match := compiled.fullmatch(name))]


def _fold_list(root: Root, match: re.Match[str], options: DfewOptions, stated: dict[str, int]) -> FoldList:
    """The list of a file; the numbers of frames that it states are added to `stated`."""
    name = match[0]
    is_text = name.casefold().endswith(".txt")
    listed = read_clip_list(root, name) if is_text else _csv_list(root, name)
    first = options.first_label if options.first_label is not None else int(not is_text)
    labels = labels_from([clip.label for clip in listed], _LABELS, first, f"{root.path}: {name}")
    clips = [_clip(item.path) for item in listed]
    stated |= {clip: item.n_frames for clip, item in zip(clips, listed, strict=True) if item.n_frames is not None}
    split = cast("Literal['train', 'test']", match["split"].casefold())
    return FoldList(int(match["fold"]), split, name, list(zip(clips, labels, strict=True)))


def _csv_list(root: Root, name: str) -> list[ListedClip]:
    lines = read_table(root, name, ("video_name", "label")).lines
    return [ListedClip(line["video_name"], line["label"]) for line in lines]


def _clip(path: str) -> str:
    """The name of a clip by a path to it: `1`, `00001` and `original/1.mp4` are 00001."""
    name = PurePosixPath(path).stem if is_video(path) else PurePosixPath(path).name
    return name.zfill(_DIGITS) if name.isdecimal() else name


def _form(root: Root, is_listed: Callable[[str], bool], requested: str) -> tuple[Form, str]:
    """The form of the clips to read; one without clips if there is none, so that all of them are missing."""

    def place(path: str) -> tuple[str, str] | None:
        *above, last = path.split("/")
        while above and _PART.fullmatch(above[-1]):
            above.pop()
        clip = _clip(last)
        return ("/".join(above), clip) if is_listed(clip) else None

    forms = find_forms(root, place)
    if not forms:
        return Form(f"Clip/{_PREFERRED[0]}", {}), ""
    return choose_form(root, forms, requested, _PREFERRED)
