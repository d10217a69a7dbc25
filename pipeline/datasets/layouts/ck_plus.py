"""`ck-plus`: sequences from a neutral face to the apex of an expression, and the copies that people made of them."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import replace

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.layouts.ck_plus_csv import CK_CSV, scan_pixel_csv
from pipeline.datasets.layouts.ck_plus_files import (
    Label,
    find_frames,
    fold_list,
    frame_name,
    read_fold_list,
    read_labels,
)
from pipeline.datasets.layouts.ck_plus_frames import DEFAULT, CkPlusOptions, Sequence, n_apex, sequence_rows
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.named_images import other_name
from pipeline.datasets.reading.rows import Row, assemble, merge_repeats
from pipeline.datasets.reading.subjects import folds_by_subject
from pipeline.datasets.roots.files import Root, composed
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image

__all__ = ["CkPlus"]

_LABELLED = {
    "surprise": 83,
    "fear": 25,
    "disgust": 59,
    "happiness": 69,
    "sadness": 28,
    "anger": 45,
    "contempt": 18,
}
_WITHOUT = {name: n for name, n in _LABELLED.items() if name != "contempt"}


def _published(release: str, labels: dict[str, int], protocol: int | None = None) -> PublishedCounts:
    """Counts of one protocol; those that a default may lead to too name none."""
    options = {"classes": 8 if "contempt" in labels else 7} | ({"protocol": protocol} if protocol else {})
    source = "the published 327 labelled sequences by expression, and what the protocol takes of each"
    return PublishedCounts(release, labels={"": labels}, options=options, source=source)


def _three_times(labels: dict[str, int]) -> dict[str, int]:
    return {name: 3 * n for name, n in labels.items()}


_FACTS = DatasetFacts(
    title="CK+ (extended Cohn-Kanade)",
    content="593 sequences of 123 people from a neutral face to the apex of an expression, 640 x 490 or 640 x 480 "
    "pixels, grey or colour; 327 of them are labelled",
    access="on request from its authors, with a signed agreement",
    licence="See the agreement that comes with the dataset.",
    reference="Lucey et al., The Extended Cohn-Kanade Dataset (CK+), CVPR Workshops 2010",
    label_codes="a number as text in S005_001_00000011_emotion.txt: 0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, "
    "5 happiness, 6 sadness, 7 surprise; CK+48 and lists of folds: names; ckextended.csv: 0 anger, 1 disgust, 2 fear, "
    "3 happiness, 4 sadness, 5 surprise, 6 neutral, 7 contempt",
    counts=(
        _published("636: last frame, and first of all 327 as neutral", _WITHOUT | {"neutral": 327}),
        _published("654: 636 with contempt", _LABELLED | {"neutral": 327}),
        _published("618: last and first frame of the 309 without contempt", _WITHOUT | {"neutral": 309}, 618),
        _published("309: last frame", _WITHOUT, 309),
        _published("327: last frame, with contempt", _LABELLED, 327),
        _published("981: last three frames (CK+48)", _three_times(_LABELLED)),
        _published("927: last three frames without contempt (CK+48)", _three_times(_WITHOUT)),
    ),
    traps=(
        "266 of the 593 sequences have no label: their folder below Emotion is empty, or is not there.",
        "Labels are numbers as text, such as 3.0000000e+00 after spaces, and 0 (neutral) does not occur.",
        "Papers name 593 sequences, but test 309, 327, 618, 636 or 981 images of the 327 labelled ones.",
        "The frames of one person look alike: folds by index or by frame have the same face in train and test.",
        "CK+48 and ckextended.csv have no neutral frames, or no people: read the original sequences where you can.",
    ),
    biases=("Posed in a laboratory; only the strongest frame of a sequence is labelled.",),
)


class CkPlus:
    """Whole sequences with `Emotion/S005/001/S005_001_00000011_emotion.txt`, or with a list of folds (`1-fold 33 ...`,
    `S130/007 Angry`; frames in `ck_face/`), or the class folders of CK+48, or the rows of `ckextended.csv`
    (`emotion,pixels,Usage`).

    The option `protocol` is the number of images in the literature. By default whole sequences are read as 636: the
    last frame of each labelled sequence has its expression, the first one is neutral. It is the only protocol that has
    neutral faces of everyone, so that all seven expressions occur as in other datasets. Contempt's last frames come
    with `classes: 8`. All other frames are left out and counted.

    The last frame is the one that the label names, or a later one; the first is number 1. Either is a rejected row if
    its file is missing. Without labels by frame (lists of folds), these are the first and last file of the sequence.

    Subject `S005`, clip `S005/001`. `fold` is 1 to `folds`: the subjects of labelled sequences in ascending order are
    dealt out in turn, as in the public list, which sets the folds itself where it is read. There is no official split;
    val and test are carved by person as elsewhere. Rows of ckextended.csv have no person, clip or fold, and its column
    `Usage` is their split: nobody can tell who is in two of them.
    """

    name = "ck-plus"
    summary = (
        "cohn-kanade-images/S005/001/*.png and Emotion/S005/001/*_emotion.txt, or ck_face/ with a list of folds, or "
        "CK+48/anger/S010_004_00000017.png, or ckextended.csv"
    )
    Options = CkPlusOptions
    facts = _FACTS

    def scan(self, root: Root, options: CkPlusOptions) -> Scan:
        if labels := read_labels(root):
            folds = folds_by_subject((label.subject for label in labels), options.folds)
            labels = [replace(label, fold=folds[label.subject]) for label in labels]
            return _of_sequences(root, labels, options, "cohn-kanade-images", "sequences and labels")
        if name := fold_list(root):
            labels = read_fold_list(root, name)
            _check_folds(labels, options, f"{root.path}: {name}")
            return _of_sequences(root, labels, options, "ck_face", "sequences and list of folds")
        if any(is_image(name) and frame_name(_stem(name)) for name in root.names()):
            return _of_class_folders(root, options)
        if name := root.find(CK_CSV):
            return scan_pixel_csv(root, name, options)
        raise not_this_layout(root, self)


def _stem(path: str) -> str:
    return composed(path).rpartition("/")[2].rpartition(".")[0]


def _check_folds(labels: SequenceOf[Label], options: CkPlusOptions, where: str) -> None:
    n_folds = len({label.fold for label in labels})
    if n_folds != options.folds:
        raise DatasetError(
            f"{where}: expected {options.folds} folds (option folds), found {n_folds}, which the list sets. Set the "
            f"option folds to {n_folds}"
        )


def _of_sequences(root: Root, labels: SequenceOf[Label], options: CkPlusOptions, preferred: str, release: str) -> Scan:
    frames = find_frames(root, preferred)
    rows: list[Row] = []
    for label in labels:
        files = frames.sequences.get(label.key, {})
        sequence = Sequence(*label.key, files, label.expression, label.fold, label.frame)
        rows += sequence_rows(sequence, options, frames.folder)
    labelled = {label.key for label in labels}
    for key, files in frames.sequences.items():
        if key not in labelled:
            rows += sequence_rows(Sequence(*key, files), options, frames.folder)
    protocol = options.protocol or DEFAULT
    return assemble(merge_repeats(rows, options.names), options, f"{release}, protocol {protocol}")


def _of_class_folders(root: Root, options: CkPlusOptions) -> Scan:
    """CK+48: the last three frames of each sequence, in class folders."""
    protocol = options.protocol or 981
    if any(name for name in root.names() if is_image(name) and _in_sequence_folder(name)):
        raise DatasetError(
            f"{root.path}: expected labels next to the sequences (Emotion/S005/001/S005_001_00000011_emotion.txt), or "
            "a list of folds, found frames alone. Add the labels, or point the root at CK+48"
        )
    if protocol in (636, 618):
        raise DatasetError(
            f"{root.path}: expected whole sequences for protocol {protocol}, found class folders without neutral "
            "frames (CK+48). Set the option protocol to 981, 327 or 309, or point the root at the original sequences"
        )
    rows = [row if row.excluded else _named(row) for row in class_rows(root, None)]
    subjects = {row.sample.subject for row in rows if row.sample.subject}
    folds = folds_by_subject(subjects, options.folds)
    rows = [_in_fold(row, folds) for row in _last_frames(rows, n_apex(protocol))]
    return assemble(
        merge_repeats(rows, options.names), options, f"CK+48, protocol {protocol}", unread_files=other_files(root)
    )


def _in_sequence_folder(name: str) -> bool:
    parts = name.split("/")
    frame = frame_name(_stem(name))
    return frame is not None and len(parts) > 2 and parts[-3].upper() == frame[0] and parts[-2] == frame[1]


def _named(row: Row) -> Row:
    """The row with subject, clip and frame of its file's name."""
    parts = frame_name(_stem(row.sample.path))
    if parts is None:
        return other_name(row.sample.path, "S010_004_00000017.png")
    subject, number, frame = parts
    sequence = Sequence(subject, number, {})
    sample = replace(sequence.sample(frame, row.sample.path, row.sample.label), split=row.sample.split)
    return Row(sample)


def _last_frames(rows: SequenceOf[Row], n: int) -> list[Row]:
    """The rows, those that are not among the last `n` of their clip excluded."""
    by_clip: dict[str, set[int]] = {}
    for row in rows:
        if row.sample.clip and row.sample.frame is not None:
            by_clip.setdefault(row.sample.clip, set()).add(row.sample.frame)
    last = {clip: sorted(frames)[-n:] for clip, frames in by_clip.items()}
    return [
        replace(row, excluded="frame outside the protocol")
        if row.sample.clip and row.sample.frame not in last[row.sample.clip]
        else row
        for row in rows
    ]


def _in_fold(row: Row, folds: dict[str, int]) -> Row:
    subject = row.sample.subject
    return replace(row, sample=replace(row.sample, fold=folds[subject])) if subject else row
