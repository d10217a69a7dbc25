"""`oulu-casia`: sequences from a neutral face to the apex of six expressions, in three lights and two spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.rows import Row, assemble, translate
from pipeline.datasets.reading.subjects import NEUTRAL_AND_APEX, FoldOptions, folds_by_subject
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.images.formats import is_image
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.sample import Sample

__all__ = ["OuluCasia", "OuluCasiaOptions"]

_SPECTRA, _LIGHTS, _CROPPED = ("VL", "NI"), ("Strong", "Weak", "Dark"), "_Acropped"
_MOST_DIGITS = 9  # of the number of a frame


class OuluCasiaOptions(FoldOptions):
    spectrum: Literal["VL", "NI"] = Field("VL", description="VL visible light, or NI near infrared")
    light: Literal["Strong", "Weak", "Dark"] = Field("Strong", description="illumination: Strong, Weak or Dark")
    pictures: Literal["original", "cropped"] | None = Field(
        None, description="VL/ or the faces of VL_Acropped/; needed only where the root has both"
    )
    frames: int = Field(3, ge=1, description="last frames of each sequence that are read with its expression")
    neutral: bool = Field(True, description="read the first frame of each sequence as a neutral face")


_SIX = [name for name in EXPRESSIONS[:7] if name != "neutral"]
_FACTS = DatasetFacts(
    title="Oulu-CASIA NIR-VIS",
    content="80 people, six posed expressions each, filmed from a neutral face to the apex in visible light and near "
    "infrared, under three illuminations",
    access="on request from its authors, with a signed agreement",
    licence="See the agreement that comes with the dataset.",
    reference="Zhao et al., Facial expression recognition from near-infrared videos, Image and Vision Computing 2011",
    label_codes="names of folders: Anger, Disgust, Fear, Happiness, Sadness, Surprise; a neutral face has no label",
    counts=(
        PublishedCounts(
            "last three frames, and first as neutral",
            labels={"": dict.fromkeys(_SIX, 240) | {"neutral": 480}},
            options={"frames": 3, "neutral": True, "spectrum": "VL", "light": "Strong"},
            source="the published 480 sequences of 80 people, six each",
        ),
        PublishedCounts(
            "last three frames",
            labels={"": dict.fromkeys(_SIX, 240)},
            options={"frames": 3, "neutral": False, "spectrum": "VL", "light": "Strong"},
            source="the published 480 sequences of 80 people, six each",
        ),
    ),
    traps=(
        "There is no neutral label: the first frame of each sequence is taken for it.",
        "All frames and illuminations show the same 80 people: split by person, never by frame.",
    ),
    biases=("Posed in a laboratory, seated, in front of the camera.",),
)


class OuluCasia:
    """`VL/Strong/P001/Anger/000.jpeg`, also below `VL_Acropped/`; one spectrum and one illumination at a time.

    By default the last three frames of each sequence have its expression, and the first one is neutral, so that all
    seven expressions occur. Frames are ordered by their numbers; all others are left out and counted. A sequence needs
    one frame more than are read with its expression, else its first frame is both and becomes a rejected row.

    Subject `P001`, clip `P001/Anger`. `fold` is 1 to `folds`: people in ascending order are dealt out in turn. There is
    no official split; val and test are carved by person as elsewhere.
    """

    name = "oulu-casia"
    summary = "VL|NI[_Acropped]/Strong|Weak|Dark/P001/Anger/000.jpeg"
    Options = OuluCasiaOptions
    facts = _FACTS

    def scan(self, root: Root, options: OuluCasiaOptions) -> Scan:
        frames = [frame for name in root.names() if is_image(name) and (frame := _frame(name))]
        if not frames:
            raise not_this_layout(root, self)
        folder = _folder(frames, options, root)
        chosen = [frame for frame in frames if frame.folder == folder and frame.light == options.light]
        if not chosen:
            raise _no_such_part(frames, folder, options, root)
        labels = translate([frame.expression for frame in chosen], None, str(root.path))
        rows = _rows(chosen, labels, options)
        read = {frame.path for frame in chosen}
        others = [
            Row(Sample("", f.path, "", ""), "other spectrum, light or crop") for f in frames if f.path not in read
        ]
        return assemble(rows + others, options, f"{folder}, {options.light}")


@dataclass(frozen=True)
class _Frame:
    folder: str
    light: str
    subject: str
    expression: str
    number: int
    path: str
    above: tuple[str, ...]

    @property
    def clip(self) -> str:
        return f"{self.subject}/{self.expression}"


def _frame(name: str) -> _Frame | None:
    parts = composed(name).split("/")
    stem = parts[-1].partition(".")[0]
    if len(parts) < 5 or not stem.isdecimal() or len(stem) > _MOST_DIGITS:
        return None
    folder, light, subject, expression = parts[-5:-1]
    spellings = {f"{spectrum}{end}".casefold(): f"{spectrum}{end}" for spectrum in _SPECTRA for end in ("", _CROPPED)}
    lights = {light.casefold(): light for light in _LIGHTS}
    if folder.casefold() not in spellings or light.casefold() not in lights:
        return None
    return _Frame(
        spellings[folder.casefold()],
        lights[light.casefold()],
        subject.upper(),
        expression,
        int(stem),
        name,
        tuple(parts[:-5]),
    )


def _folder(frames: Sequence[_Frame], options: OuluCasiaOptions, root: Root) -> str:
    """The folder of the requested spectrum: `VL`, or `VL_Acropped`.

    Raises
    ------
    DatasetError
        If it is in two places, or there are both and no option says which.
    """
    names = {"original": options.spectrum, "cropped": options.spectrum + _CROPPED}
    wanted = {names[options.pictures]} if options.pictures else set(names.values())
    places = sorted({(frame.folder, "/".join(frame.above)) for frame in frames if frame.folder in wanted})
    folders = sorted({folder for folder, _ in places})
    if len(folders) > 1:
        raise DatasetError(
            f"{root.path}: expected {folders[0]}/ or {folders[1]}/, found both. Set the option pictures to original or "
            "cropped"
        )
    if len(places) > 1:
        found = some([f"{above}/{folder}/".removeprefix("/") for folder, above in places])
        raise DatasetError(f"{root.path}: expected one folder {folders[0]}/, found {found}. Point the root at one")
    return folders[0] if folders else min(wanted)


def _no_such_part(frames: Sequence[_Frame], folder: str, options: OuluCasiaOptions, root: Root) -> DatasetError:
    present = Counter(f"{frame.folder}/{frame.light}/" for frame in frames)
    found = ", ".join(f"{name} ({count:,} frames)" for name, count in sorted(present.items()))
    return DatasetError(
        f"{root.path}: expected frames in {folder}/{options.light}/, found {found}. Set the options spectrum, light "
        "and pictures to what is there"
    )


def _rows(frames: Sequence[_Frame], labels: Sequence[str], options: OuluCasiaOptions) -> list[Row]:
    folds = folds_by_subject((frame.subject for frame in frames), options.folds)
    clips: dict[str, list[tuple[_Frame, str]]] = {}
    for frame, label in sorted(zip(frames, labels, strict=True), key=lambda item: (item[0].number, item[0].path)):
        clips.setdefault(frame.clip, []).append((frame, label))
    return [row for clip in clips.values() for row in _clip_rows(clip, folds, options)]


def _clip_rows(clip: Sequence[tuple[_Frame, str]], folds: Mapping[str, int], options: OuluCasiaOptions) -> list[Row]:
    first_apex = len(clip) - options.frames
    rows = []
    for i, (frame, label) in enumerate(clip):
        is_neutral = i == 0 and options.neutral
        sample = Sample(
            f"{frame.folder}/{frame.light}/{frame.clip}/{frame.number:03d}",
            frame.path,
            "neutral" if is_neutral else label,
            "",
            reason=NEUTRAL_AND_APEX if is_neutral and first_apex <= 0 else "",
            subject=frame.subject,
            clip=frame.clip,
            frame=frame.number,
            fold=folds[frame.subject],
        )
        rows.append(Row(sample, "" if is_neutral or i >= first_apex else "frame between neutral and apex"))
    return rows
