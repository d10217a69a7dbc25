"""Where CK+ has its frames, its labels and, in a public copy, its folds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.datasets.reading.rows import translate
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
from pipeline.tables.labels import CODE_MAPS

__all__ = ["Frames", "Label", "find_frames", "fold_list", "frame_name", "read_fold_list", "read_labels"]

_SEQUENCE = re.compile(r"(?P<subject>S\d+)/(?P<number>\d+)/(?:[^/]*\D)?(?P<frame>\d{1,9})\.\w+", re.IGNORECASE)
_FRAME = re.compile(r"(?P<subject>S\d+)_(?P<number>\d+)_(?P<frame>\d{1,9})", re.IGNORECASE)
_LABEL = re.compile(_FRAME.pattern + r"_emotion\.txt", re.IGNORECASE)
_LABEL_END = "_emotion.txt"
_FOLD = re.compile(r"(?P<fold>\d{1,4})-fold\s+(?P<n>\d{1,6})\b.*", re.IGNORECASE)
_ENTRY = re.compile(r"(?P<subject>S\d+)/(?P<number>\d+)\s+(?P<label>\S+)", re.IGNORECASE)

_Key = tuple[str, str]  # subject, number of the sequence


@dataclass(frozen=True)
class Label:
    """Of one sequence: its expression; the number of the frame that it belongs to, or its fold, where stated."""

    subject: str
    number: str
    expression: str
    frame: int | None = None
    fold: int | None = None

    @property
    def key(self) -> _Key:
        return self.subject, self.number


@dataclass(frozen=True)
class Frames:
    """Sequence -> number of the frame -> file; all below one folder, which ends with a slash or is empty."""

    folder: str
    sequences: Mapping[_Key, Mapping[int, str]]


def find_frames(root: Root, preferred: str) -> Frames:
    """The frames of all sequences, `S005/001/*_00000001.png` below one folder.

    Raises
    ------
    DatasetError
        If several folders hold sequences, none or more than one of them is named `preferred`, or two files of a
        sequence have one number.
    """
    places: dict[str, dict[_Key, dict[int, str]]] = {}
    twice = []
    for name in root.names():
        parts = composed(name).split("/")
        match = _SEQUENCE.fullmatch("/".join(parts[-3:])) if is_image(name) else None
        if match:
            folder = "/".join([*name.split("/")[:-3], ""])
            key = (match["subject"].upper(), match["number"])
            frames = places.setdefault(folder, {}).setdefault(key, {})
            if frames.setdefault(int(match["frame"]), name) != name:
                twice.append(name)
    named = [folder for folder in places if folder.casefold().endswith(f"{preferred}/")]
    chosen = named if len(places) > 1 else list(places)
    if len(places) > 1 and len(named) != 1:
        raise DatasetError(
            f"{root.path}: expected the sequences in one folder {preferred}/, found them in {some(sorted(places))}. "
            "Point the root at one of them and its labels"
        )
    if bad := [name for name in twice if name.startswith(tuple(chosen))]:
        raise DatasetError(
            f"{root.path}: expected one file of every frame, found {len(bad)} more: {some(bad)}. Remove the copies"
        )
    folder = chosen[0] if chosen else ""
    return Frames(folder, places.get(folder, {}))


def frame_name(stem: str) -> tuple[str, str, int] | None:
    """Subject, sequence and frame of `S010_004_00000017`; None if it is no such name."""
    match = _FRAME.fullmatch(stem)
    return (match["subject"].upper(), match["number"], int(match["frame"])) if match else None


def read_labels(root: Root) -> list[Label]:
    """One label for each `*_emotion.txt`, in whatever folder; equal ones of a sequence once. Empty if there are none.

    Raises
    ------
    DatasetError
        If the name of such a file is not `S005_001_00000011_emotion.txt`.
    LabelError
        If a code is unknown; 0 to 7 are, as text with decimals (`   3.0000000e+00`).
    """
    files = [name for name in root.names() if name.casefold().endswith(_LABEL_END)]
    matches = {name: _LABEL.fullmatch(name.rpartition("/")[2]) for name in files}
    if bad := [name for name, match in matches.items() if not match]:
        raise DatasetError(
            f"{root.path}: expected labels named S005_001_00000011{_LABEL_END}, found {len(bad)} others: {some(bad)}. "
            "Rename or remove them"
        )
    texts = [root.text(name).strip() for name in files]
    codes = translate(texts, CODE_MAPS["ck-plus"], f"{root.path}: *{_LABEL_END}")
    labels = [
        Label(match["subject"].upper(), match["number"], expression, int(match["frame"]))
        for match, expression in zip(matches.values(), codes, strict=True)
        if match
    ]
    return sorted(set(labels), key=lambda label: (label.key, label.frame, label.expression))


def fold_list(root: Root) -> str | None:
    """The list of folds of a public copy: a text file whose name has `fold` in it.

    Raises
    ------
    DatasetError
        If there are two.
    """
    names = [name for name in root.names() if re.fullmatch(r"[^/]*fold[^/]*\.txt", name.casefold().rpartition("/")[2])]
    if len(names) > 1:
        raise DatasetError(f"{root.path}: expected one list of folds, found {some(names)}. Keep the one to use")
    return names[0] if names else None


def read_fold_list(root: Root, name: str) -> list[Label]:
    """Sequences with label and fold: below a line `1-fold 33 Angry 2 ...` that many lines `S130/007 Angry`.

    Raises
    ------
    DatasetError
        If a line is something else, or a fold has another number of sequences than its first line says.
    """
    where = f"{root.path}: {name}"
    labels: list[tuple[_Key, str, int]] = []
    sizes: dict[int, int] = {}
    for position, text in _texts(root, name):
        if fold := _FOLD.fullmatch(text):
            sizes[int(fold["fold"])] = int(fold["n"])
        elif (entry := _ENTRY.fullmatch(text)) and sizes:
            labels.append(((entry["subject"].upper(), entry["number"]), entry["label"], list(sizes)[-1]))
        else:
            raise DatasetError(
                f"{where}, line {position}: expected '1-fold 33 ...' and below it lines such as 'S130/007 Angry', "
                f"found {text[:60]!r}. Copy the list again"
            )
    for fold_number, size in sizes.items():
        if (n := sum(fold == fold_number for *_, fold in labels)) != size:
            raise DatasetError(
                f"{where}: expected {size} sequences in fold {fold_number}, as its first line says, found {n}. Copy "
                "the list again"
            )
    expressions = translate([label for _, label, _ in labels], None, where)
    return [Label(*key, label, fold=fold) for (key, _, fold), label in zip(labels, expressions, strict=True)]


def _texts(root: Root, name: str) -> Iterator[tuple[int, str]]:
    return ((i, line.strip()) for i, line in enumerate(root.lines(name), start=1) if line.strip())
