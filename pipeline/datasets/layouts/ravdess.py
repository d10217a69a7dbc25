"""`ravdess`: acted emotional speech and song of 24 actors, filmed from the front."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.clips import ClipOptions, assemble_clips
from pipeline.datasets.reading.named_clips import named_clips
from pipeline.datasets.reading.rows import Row
from pipeline.datasets.roots.files import Root, composed
from pipeline.tables.labels import EXPRESSIONS
from pipeline.tables.sample import Sample

__all__ = ["Ravdess", "RavdessOptions"]

_EXAMPLE = "01-01-03-01-01-01-01.mp4"
_CALM = "calm"
_EMOTIONS = {
    "01": "neutral",
    "02": _CALM,
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_CHANNELS = {"01": "speech", "02": "song"}
_SOUND, _FILM, _SOUND_ALONE = "01", "02", "03"  # modality: video with sound, video without, sound without video
_NAME = re.compile(
    r"(?P<modality>0[12])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>\d\d)-(?P<statement>\d\d)-"
    r"(?P<repetition>\d\d)-(?P<actor>\d\d)"
)
_SOUND_NAME = re.compile(rf"{_SOUND_ALONE}(-\d\d){{6}}\.wav", re.IGNORECASE)


class RavdessOptions(ClipOptions):
    channel: Literal["speech", "song", "both"] = Field(
        "speech", description="what the actors do: speech, song (without disgust, surprise and actor 18), or both"
    )
    calm: Literal["exclude", "neutral"] = Field(
        "exclude", description="calm is no class: its clips are left out and counted, or read as neutral"
    )


def _counts(channel: str, calm: str, neutral: int, each: int, labels: str) -> PublishedCounts:
    counts = dict.fromkeys(EXPRESSIONS[:7], 0) | dict.fromkeys(labels.split(), each) | {"neutral": neutral}
    total = neutral + each * len(labels.split())
    return PublishedCounts(
        f"{channel}, calm {'left out' if calm == 'exclude' else 'as neutral'}",
        labels={"": counts},
        options={"channel": channel, "calm": calm},
        source=f"{total:,} of the published files of one modality; each actor has 4 neutral clips and 8 of each other "
        "emotion",
    )


_SPEECH, _SONG = "surprise fear disgust happiness sadness anger", "fear happiness sadness anger"
_FACTS = DatasetFacts(
    title="RAVDESS",
    content="clips of about 4 seconds in which 24 actors speak or sing one of two sentences with an emotion",
    access="from Zenodo (record 1188976), a zip file for each actor",
    licence="CC BY-NC-SA 4.0.",
    reference="Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), "
    "PLoS ONE 2018",
    label_codes="the third number of the file's name: 01 neutral, 02 calm, 03 happiness, 04 sadness, 05 anger, 06 "
    "fear, 07 disgust, 08 surprise",
    counts=(
        _counts("speech", "exclude", 96, 192, _SPEECH),
        _counts("speech", "neutral", 288, 192, _SPEECH),
        _counts("song", "exclude", 92, 184, _SONG),
        _counts("song", "neutral", 276, 184, _SONG),
    ),
    traps=(
        "The numbers count from 1, with calm as 02, which most other datasets lack: as codes of eight expressions they "
        "are all wrong.",
        "Modality 01 (with sound) and 02 (without) are the same film: where both are read, one of them may train and "
        "the other test.",
        "There is no official split. Published folds differ; each actor must be in one of them: `train --folds K` "
        "makes such folds.",
        "Neutral has no strong intensity, so that there are half as many neutral clips.",
    ),
    biases=("Acted in a laboratory by 24 speakers of North American English, in front of a white background.",),
)


class Ravdess:
    """`Actor_01/01-01-03-01-01-01-01.mp4`, or a folder of frames of that name: modality, channel, emotion, intensity,
    statement, repetition, actor.

    Modality 01 (with sound) and 02 (without) are the same film: 01 is read where both are there, and the other counted.
    Sound alone (03) is counted. `calm` is outside the classes: its clips are left out and counted, or neutral by an
    option.

    The subject is the actor, as the name has it, in whatever folder. There is no official split: val and test are
    carved by actor, and `train --folds K` makes folds of actors.
    """

    name = "ravdess"
    summary = f"Actor_01/{_EXAMPLE}: video with sound, speech, happiness, actor 01"
    Options = RavdessOptions
    facts = _FACTS

    def scan(self, root: Root, options: RavdessOptions) -> Scan:
        clips, others = named_clips(root, _NAME, _EXAMPLE)
        if not clips:
            raise not_this_layout(root, self)
        with_sound = {_film(match) for _, match in clips if match["modality"] == _SOUND}
        rows = [_row(path, match, options, with_sound) for path, match in clips]
        return assemble_clips([*rows, *others, *_sound_alone(root.names())], options)


def _film(match: re.Match[str]) -> str:
    """What is filmed: the name without its modality."""
    return "-".join(match.groups()[1:])


def _row(path: str, match: re.Match[str], options: RavdessOptions, with_sound: set[str]) -> Row:
    name, emotion = "-".join(match.groups()), _EMOTIONS[match["emotion"]]
    label = "neutral" if emotion == _CALM and options.calm == "neutral" else emotion
    sample = Sample(name, path, label, "", subject=f"Actor_{match['actor']}", clip=name)
    channel = _CHANNELS[match["channel"]]
    if channel != options.channel and options.channel != "both":
        return Row(sample, channel)
    if match["modality"] == _FILM and _film(match) in with_sound:
        return Row(sample, "same film as the clip with sound")
    return Row(sample)  # calm is no class: `assemble` leaves it out by its name


def _sound_alone(names: Sequence[str]) -> Iterator[Row]:
    for name in names:
        if _SOUND_NAME.fullmatch(composed(name).rpartition("/")[2]):
            yield Row(Sample(name, name, "", ""), "sound without video")
