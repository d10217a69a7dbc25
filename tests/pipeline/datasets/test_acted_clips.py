"""RAVDESS, CREMA-D, MEAD: names that hold labels, the same film twice, views, people, published counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from trees.acted_clips import crema_d, frames_of, mead, ravdess
from trees.tree import pack

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.crema_d import CremaD
from pipeline.datasets.layouts.ravdess import Ravdess
from pipeline.datasets.reading.base import Scan, parse_options
from pipeline.datasets.roots import open_root
from pipeline.errors import ConfigError, DatasetError
from pipeline.tables.samples import SampleTable


def scan_of(layout: str, names: Iterable[str], folder: Path, **options: Any) -> Scan:
    """Of empty files: a scan opens none."""
    with open_root(pack(dict.fromkeys(names, b""), folder, "zip")) as files:
        return LAYOUTS[layout].scan(files, parse_options(LAYOUTS[layout], options))


def table_of(layout: str, files: dict[str, bytes], folder: Path, **options: Any) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


def clips_of(table: SampleTable) -> dict[str, str]:
    units = table.units
    return dict(zip(units["clip"], units["label"], strict=True))


def all_of_ravdess() -> list[str]:
    """Files with sound of all actors: speech has eight emotions, song six and 23 actors; neutral is never strong."""
    return [
        f"Actor_{actor:02d}/01-{channel:02d}-{emotion:02d}-{strength:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.mp4"
        for actor in range(1, 25)
        for channel, last in ((1, 8), (2, 6))
        if not (channel == 2 and actor == 18)
        for emotion in range(1, last + 1)
        for strength in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


class TestRavdess:
    @pytest.mark.parametrize("published", Ravdess.facts.counts, ids=lambda counts: counts.release)
    def test_all_files_have_the_published_counts(self, published: Any, tmp_path: Path) -> None:
        scan = scan_of("ravdess", all_of_ravdess(), tmp_path, **published.options)
        assert Counter(sample.label for sample in scan.samples) == {
            label: n for label, n in published.labels[""].items() if n
        }
        assert len({sample.subject for sample in scan.samples}) == (
            24 if published.options["channel"] == "speech" else 23
        )

    def test_the_same_film_with_and_without_sound_is_one_clip(self, tmp_path: Path) -> None:
        both = [name.replace("/01-", f"/{modality}-") for name in all_of_ravdess() for modality in ("01", "02")]
        scan = scan_of("ravdess", both, tmp_path)
        assert {sample.id[:2] for sample in scan.samples} == {"01"}
        assert scan.excluded == {"calm": 192, "same film as the clip with sound": 1_440, "song": 2_024}

    def test_without_sound_alone_is_read(self, tmp_path: Path) -> None:
        scan = scan_of("ravdess", [name.replace("/01-", "/02-") for name in all_of_ravdess()], tmp_path)
        assert len(scan.samples) == 1_440 - 192
        assert {sample.id[:2] for sample in scan.samples} == {"02"}

    def test_calm_is_left_out_and_neutral_on_request(self, tmp_path: Path) -> None:
        assert clips_of(table_of("ravdess", dict(ravdess().files), tmp_path, calm="neutral"))[
            "01-01-02-01-01-01-01"
        ] == ("neutral")

    def test_song_and_both_are_read_on_request(self, tmp_path: Path) -> None:
        song = scan_of("ravdess", all_of_ravdess(), tmp_path, channel="song", calm="neutral")
        both = scan_of("ravdess", all_of_ravdess(), tmp_path, channel="both", calm="neutral")
        assert (len(song.samples), len(both.samples)) == (1_012, 2_452)

    def test_the_actor_is_that_of_the_name(self, tmp_path: Path) -> None:
        table = table_of("ravdess", frames_of("Actor_05/01-01-03-01-01-01-07 x/01-01-04-01-01-01-08"), tmp_path)
        assert sorted(table.frame["subject"].unique()) == ["Actor_07", "Actor_08"]

    @pytest.mark.parametrize("copy", ["copy/01-01-03-01-01-01-01.mp4", "Actor_01/01-01-03-01-01-01-01/1.png"])
    def test_one_clip_twice_is_refused(self, copy: str, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected every clip once, found .*01-01-03-01-01-01-01"):
            scan_of("ravdess", ["Actor_01/01-01-03-01-01-01-01.mp4", copy], tmp_path)

    def test_numbers_of_no_emotion_are_counted_and_no_clip(self, tmp_path: Path) -> None:
        scan = scan_of("ravdess", ["01-01-09-01-01-01-01.mp4", "01-01-03-01-01-01-01.mp4"], tmp_path)
        assert (len(scan.samples), scan.excluded) == (1, {"name is not like 01-01-03-01-01-01-01.mp4": 1})


class TestCremaD:
    def test_published_clips_add_up(self) -> None:
        """1,271 of each of five emotions and 1,087 neutral: 6,355 + 1,087 = 7,442."""
        assert [sum(counts.labels[""].values()) for counts in CremaD.facts.counts] == [7_442]

    def test_levels_are_read_as_requested(self, tmp_path: Path) -> None:
        low = table_of("crema-d", dict(crema_d().files), tmp_path, levels="LO")
        assert clips_of(low) == {"1001_IEO_HAP_LO": "happiness"}
        assert low.info.options["levels"] == ["LO"]

    def test_an_actor_is_in_one_split(self, tmp_path: Path) -> None:
        clips = " ".join(f"VideoFlash/{1001 + a}_DFA_{e}_XX" for a in range(20) for e in ("ANG", "DIS", "FEA", "NEU"))
        table = table_of("crema-d", frames_of(clips, n_frames=1), tmp_path)
        assert table.frame.groupby("subject")["split"].nunique().max() == 1
        assert set(table.frame["split"]) == {"train", "val", "test"}

    @pytest.mark.parametrize("levels", [[], "low", 3, ["XX", "YY"]])
    def test_other_levels_are_refused(self, levels: Any, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"levels: .*expected one or more of XX, LO, MD, HI"):
            scan_of("crema-d", ["VideoFlash/1001_DFA_ANG_XX.flv"], tmp_path, levels=levels)


class TestMead:
    def test_views_are_read_as_requested(self, tmp_path: Path) -> None:
        table = table_of("mead", dict(mead().files), tmp_path, view="left_30 front")
        assert {"M003/front/angry/level_2/001", "M003/left_30/angry/level_2/001"} <= set(table.units["clip"])
        assert table.info.options["view"] == ["front", "left_30"]

    def test_all_views_of_a_take_are_in_one_split(self, tmp_path: Path) -> None:
        views = ("front", "left_30", "top")
        clips = [
            f"M{s:03d}/video/{view}/sad/level_1/{take:03d}" for s in range(15) for view in views for take in (1, 2)
        ]
        table = table_of("mead", frames_of(" ".join(clips), n_frames=1), tmp_path, view=list(views))
        assert len(table.units) == 90
        assert table.frame.groupby("subject")["split"].nunique().max() == 1
        assert set(table.frame["split"]) == {"train", "val", "test"}

    @pytest.mark.parametrize("levels", [2, "2", [2], "2,2"])
    def test_levels_are_read_as_requested(self, levels: Any, tmp_path: Path) -> None:
        table = table_of("mead", dict(mead().files), tmp_path, levels=levels)
        assert clips_of(table) == {"M003/front/angry/level_2/001": "anger"}
        assert table.info.excluded == {"left_30 view": 1, "level 1": 2, "level 3": 1}

    def test_another_view_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"view: .*expected one or more of front, left_30"):
            scan_of("mead", [], tmp_path, view="back")
