"""`mafw`: clips in the wild with eleven expressions, in five folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.datasets.layouts.mafw_facts import CODES, MAFW_FACTS, MAFW_TOTALS
from pipeline.datasets.layouts.mafw_lists import MafwLists, numbered, read_lists
from pipeline.datasets.reading.ambiguous import is_number, refuse_numbers
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.clip_forms import AUTO, Form, choose_form, find_forms
from pipeline.datasets.reading.clips import ClipFiles, ClipOptions, assemble_clips
from pipeline.datasets.reading.fold_lists import read_folds
from pipeline.datasets.reading.rows import Row, translate
from pipeline.datasets.roots.files import Root
from pipeline.errors import DatasetError
from pipeline.tables.labels import ClassSet

__all__ = ["Mafw", "MafwOptions"]

_PREFERRED = ("faces", "frames", "clips")
_AND = "_"  # between the labels of a clip of the compound set
_SEVERAL = "several labels"
_NO_CLASS = "no label is a class of the table"


class MafwOptions(ClipOptions):
    class_sets: ClassVar[tuple[ClassSet, ...]] = ("mafw", 7, 8)

    classes: ClassSet = Field(
        "mafw",
        description="mafw: the eleven labels; or 7 expressions, or 8 with contempt, of which the others are left out",
    )
    set: Literal["single", "compound"] = Field(
        "single", description="lists of clips with one label, or of the compound set, in which clips may have several"
    )
    several: Literal["share", "exclude"] = Field(
        "share",
        description="a clip with several labels: each has an equal share of its `distribution`, and the first one is "
        "its label; or it is left out and counted",
    )
    captions: bool = Field(False, description="the lists with captions, which lack the neutral clips")
    codes: Literal["dfer-clip", "emoclip"] | None = Field(
        None, description="the order that lists with numbers were written in; lists with names need none"
    )
    frames: str = Field(
        AUTO,
        description="folder of the clips, as data/faces or data/clips; auto takes the only one, or faces, frames, "
        "clips",
    )


class Mafw:
    """`Train & Test Set/single|compound/no_caption/set_1/train.txt` ... (`00001.mp4 anger`) with
    `data/faces/00001/*.png` or `data/clips/00001.mp4`.

    Lists of public code are read where the dataset's own are missing: `MAFW_set_1_train.txt` (`path num_frames label`)
    and `single/split01/train.csv` (`path label`). Their labels are numbers in one of two orders, which the option
    `codes` states; without it they are refused, with what each order would count.

    `fold` is the fold whose test list has the clip. The test split is that of the first fold; all others are train, and
    val is carved out of it; `train --fold` divides the table for each fold. Lists that contradict each other are
    refused, or a rejected clip where only its label differs.

    In the compound set a clip with several labels (`anger_disgust`) has equal shares of them in `distribution`, which
    methods with soft labels learn, and the first one, in the order of the lists, as the label that it is scored by: an
    arbitrary one of them. Shares of labels that are no class of the table are left out and the others scaled.
    """

    name = "mafw"
    summary = "Train & Test Set/single/no_caption/set_1/train.txt, ... with data/faces/00001/*.png or data/clips/*.mp4"
    Options = MafwOptions
    facts = MAFW_FACTS

    def scan(self, root: Root, options: MafwOptions) -> Scan:
        lists = read_lists(root, options.set, captions=options.captions)
        if lists is None:
            raise not_this_layout(root, self)
        form, note = _form(root, {clip for item in lists.lists for clip, _ in item.clips}, options.frames)
        names = _names(root, lists, form, options)
        folds = read_folds(
            root,
            [replace(item, clips=[(clip, names[label]) for clip, label in item.clips]) for item in lists.lists],
        )
        rows = [_row(row, options) for row in folds.rows(form.path)]
        notes = [*lists.notes, *filter(None, [note]), *folds.notes(), *_share_notes(rows)]
        release = f"{options.set} set{', captions' if options.captions else ''}, {lists.kind}, {form.name}"
        return assemble_clips(rows, options, release, tuple(notes), lists.n_frames)


def _form(root: Root, clips: set[str], requested: str) -> tuple[Form, str]:
    """The folder of clips to read; one without clips if there is none, so that all of them are missing."""

    def place(path: str) -> tuple[str, str] | None:
        clip = numbered(path)
        return (path.rpartition("/")[0], clip) if clip in clips and clip is not None else None

    forms = find_forms(root, place)
    return choose_form(root, forms, requested, _PREFERRED) if forms else (Form("data/faces", {}), "")


def _names(root: Root, lists: MafwLists, form: Form, options: MafwOptions) -> dict[str, str]:
    """Label as it is written -> expressions that it means, with `_AND` between those of the compound set."""
    clips = {pair: None for item in lists.lists for pair in item.clips}  # each once, whatever number of lists has it
    labels, where = [label for _, label in clips], f"{root.path}: {lists.kind}"
    if options.codes is not None and not any(map(is_number, labels)):
        raise DatasetError(f"{where}: the labels are names, so that the option codes has no effect. Leave it out")
    if options.codes is None and all(map(is_number, labels)):
        files = ClipFiles(root)
        examples = [files.example(form.path(clip)) for clip, _ in clips]
        refuse_numbers(labels, examples, where, _equal_counts(labels), CODES, "clips")
    codes = CODES[options.codes] if options.codes else None
    parts = [(label, part) for label in labels for part in _parts(label, options)]
    known = dict(zip(parts, translate([part for _, part in parts], codes, where), strict=True))
    return {label: _AND.join(dict.fromkeys(known[label, part] for part in _parts(label, options))) for label in labels}


def _parts(label: str, options: MafwOptions) -> list[str]:
    return label.split(_AND) if options.set == "compound" else [label]


def _equal_counts(labels: Sequence[str]) -> str:
    """Which order gives the published counts, a sentence; empty if none does."""
    counts = Counter(int(float(label)) for label in labels)
    equal = [name for name, codes in CODES.items() if {codes.get(code): n for code, n in counts.items()} == MAFW_TOTALS]
    return f"Their counts are those published of MAFW by the order {equal[0]}." if equal else ""


def _row(row: Row, options: MafwOptions) -> Row:
    """The row of a clip; of the compound set, with the shares of its labels."""
    sample = replace(row.sample, clip=row.sample.id)
    if options.set == "single" or row.excluded:
        return replace(row, sample=replace(sample, label=sample.label.partition(_AND)[0]))
    labels = sample.label.split(_AND)
    if len(labels) > 1 and options.several == "exclude":
        return Row(replace(sample, label=labels[0]), _SEVERAL)
    known = [label for label in labels if label in options.names]
    if not known:
        return Row(replace(sample, label=labels[0]), _NO_CLASS if len(labels) > 1 else "")
    shares = tuple(known.count(name) / len(known) for name in options.names)
    return Row(replace(sample, label=known[0], distribution=shares))


def _share_notes(rows: Iterable[Row]) -> list[str]:
    n = sum(row.sample.distribution is not None and max(row.sample.distribution) < 1 for row in rows)
    return [f"{n:,} clips have several labels: equal shares of them, and the first one as label"] if n else []
