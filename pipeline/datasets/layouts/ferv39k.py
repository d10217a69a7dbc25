"""`ferv39k`: clips of 22 scenes, in folders of scene and expression, with lists of train and test clips."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.clip_forms import AUTO, Form, choose_form, find_forms
from pipeline.datasets.reading.clip_lists import conflict_notes, read_clip_list, refuse_two_splits
from pipeline.datasets.reading.clips import ClipOptions, assemble_clips
from pipeline.datasets.reading.halves import refuse_without_test
from pipeline.datasets.reading.rows import CONFLICT, Row, merge_repeats, translate
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import DatasetError
from pipeline.tables.sample import Sample

__all__ = ["Ferv39k", "Ferv39kOptions"]

_LIST = re.compile(r"(?:.*/)?(?P<split>train|test)_(?P<setup>[^/]+)\.csv", re.IGNORECASE)
_FRAMES = "2_ClipsforFaceCrop"
_PARTS = 3  # of the name of a clip: scene, expression, number
_ORDER = "happiness sadness neutral anger surprise disgust fear"
_FACTS = DatasetFacts(
    title="FERV39k",
    content="38,935 clips of faces in films and broadcasts of 22 scenes, one of seven expressions each",
    access="on request to its authors, with a password for the archives",
    licence="For non-commercial research only: see the terms that its authors state.",
    reference="Wang et al., FERV39k: A Large-Scale Multi-Scene Dataset for Facial Expression Recognition in Videos, "
    "CVPR 2022",
    label_codes="names: Happy, Sad, Neutral, Angry, Surprise, Disgust, Fear; programs number them in this order from 0",
    counts=(
        PublishedCounts(
            "all scenes",
            labels={
                "train": class_counts(_ORDER, 5854, 5523, 7790, 5906, 2502, 1833, 1680),
                "test": class_counts(_ORDER, 1473, 1393, 1958, 1487, 638, 467, 431),
            },
            options={"setup": "all"},
            source="counted in the public lists of all scenes (Former-DFER, DFER-CLIP, MAE-DFER)",
        ),
    ),
    traps=(
        "The folder is named 2_ClipsforFaceCrop, with a lower f.",
        "Lists have no header and a space between path and label, although they are named csv.",
        "Clips of different scenes and expressions have the same number: only scene/expression/number is a name.",
        "There is no validation list, and people are not named: many programs choose the best epoch on the test list.",
        "Scores of 22 scenes differ widely; papers report all scenes together.",
    ),
    biases=("Classes are imbalanced: 2,300 of 38,935 clips are disgust, 9,748 are neutral.",),
)


class Ferv39kOptions(ClipOptions):
    setup: str = Field(
        "all", description="lists to read: all for train_All.csv and test_All.csv, or a scene, as Action"
    )
    frames: str = Field(AUTO, description=f"folder of the clips; auto takes the only one, or {_FRAMES}")


class Ferv39k:
    """`4_setups/All_scenes/train_All.csv` and `test_All.csv` with lines `Action/Happy/0267 Happy`, and frames in
    `2_ClipsforFaceCrop/Action/Happy/0267/`.

    A clip is named as in the lists, and `scene` is the first part of its name. The option `setup` reads the lists of
    one scene, `train_Action.csv` and `test_Action.csv`, wherever they are. Val is carved out of train. A clip whose
    folder names another expression than its list is rejected, one that is in both lists is an error.
    """

    name = "ferv39k"
    summary = "4_setups/All_scenes/train_All.csv and test_All.csv, and 2_ClipsforFaceCrop/Action/Happy/0267/*.jpg"
    Options = Ferv39kOptions
    facts = _FACTS

    def scan(self, root: Root, options: Ferv39kOptions) -> Scan:
        lists = [match for name in root.names() if (match := _LIST.fullmatch(name))]
        if not lists:
            raise not_this_layout(root, self)
        files = _of_setup(root, lists, options.setup)
        listed = {split: _clips(root, files[split]) for split in ("train", "test") if split in files}
        refuse_two_splits(root, {files[split]: [clip.id for clip in listed[split]] for split in listed})
        names = {sample.id for samples in listed.values() for sample in samples}
        form, note = _form(root, names, options.frames)
        rows = [
            Row(replace(sample, path=form.path(sample.id), split=split))
            for split, samples in listed.items()
            for sample in samples
        ]
        refuse_without_test(root, rows, options, "test_All.csv")
        rows = merge_repeats(rows, options.names)
        notes = tuple(filter(None, [note, *conflict_notes(rows)]))
        return assemble_clips(rows, options, f"{options.setup}, {form.name}", notes)


def _of_setup(root: Root, lists: list[re.Match[str]], setup: str) -> dict[str, str]:
    """Split -> list of one setup."""
    found: dict[str, str] = {}
    for match in lists:
        if match["setup"].casefold() != setup.casefold():
            continue
        split = match["split"].casefold()
        if split in found:
            raise DatasetError(
                f"{root.path}: expected one {split} list of {setup}, found {some([found[split], match[0]])}. Point the "
                "root below one of them"
            )
        found[split] = match[0]
    if not found:
        setups = Counter(match["setup"] for match in lists)
        raise DatasetError(
            f"{root.path}: expected train_{setup}.csv and test_{setup}.csv, found lists of {', '.join(setups)}. Set "
            "the option setup to one of these"
        )
    return found


def _clips(root: Root, name: str) -> list[Sample]:
    """The clips of a list, without a split and without a path."""
    listed = read_clip_list(root, name)
    names = [clip.path.split("/")[-_PARTS:] for clip in listed]
    if short := [clip.path for clip, parts in zip(listed, names, strict=True) if len(parts) < _PARTS]:
        raise DatasetError(
            f"{root.path}: {name}: expected clips such as Action/Happy/0267, found {some(short)}. Copy the list again"
        )
    labels = translate([clip.label for clip in listed], None, f"{root.path}: {name}")
    of_folders = translate([parts[1] for parts in names], None, f"{root.path}: {name}: folders")
    return [
        Sample("/".join(parts), "", label, "", reason="" if label == of_folder else CONFLICT, scene=parts[0])
        for parts, label, of_folder in zip(names, labels, of_folders, strict=True)
    ]


def _form(root: Root, names: set[str], requested: str) -> tuple[Form, str]:
    """The form of the clips to read; one without clips if there is none, so that all of them are missing."""

    def place(path: str) -> tuple[str, str] | None:
        parts = path.split("/")
        clip = "/".join(parts[-_PARTS:])
        return ("/".join(parts[:-_PARTS]), clip) if clip in names else None

    forms = find_forms(root, place)
    return choose_form(root, forms, requested, (_FRAMES,)) if forms else (Form(_FRAMES, {}), "")
