"""Splits that are carved: what belongs together is never divided, and what crosses official splits is counted."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from trees import pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.progress import Progress
from pipeline.tables.clip_splits import carve_clips, clips_of
from pipeline.tables.labels import expressions
from pipeline.tables.samples import Sample
from pipeline.tables.splits import carve, carving_notes, groups_of, split_by_hash

SEVEN = expressions(7)
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def sample(i: int, **fields: str) -> Sample:
    return replace(Sample(f"{i}.png", f"{i}.png", SEVEN[i % 7], "", sha256=f"{i:064x}"), **fields)


def homes(samples: list[Sample], seed: int = 0) -> dict[str, str]:
    return {s.id: s.split for s in carve(samples, SHARES, seed)}


KEYS = st.tuples(*(st.sampled_from(["", "a", "b", "c", "d"]) for _ in range(4)))


class TestGroups:
    @settings(deadline=None, max_examples=60)
    @given(st.lists(KEYS, min_size=1, max_size=25), st.integers(0, 3))
    def test_no_key_is_ever_in_two_splits(self, keys: list[tuple[str, ...]], seed: int) -> None:
        samples = [sample(i, subject=s, clip=c, path=p or f"{i}.png", sha256=h) for i, (s, c, p, h) in enumerate(keys)]
        carved = carve(samples, SHARES, seed)
        for kind in ("subject", "clip", "path", "sha256"):
            places = {(getattr(s, kind), s.split) for s in carved if getattr(s, kind)}
            assert len(places) == len({key for key, _ in places}), kind

    @settings(deadline=None, max_examples=30)
    @given(st.lists(KEYS, min_size=1, max_size=20), st.randoms(use_true_random=False))
    def test_the_order_of_rows_plays_no_part(self, keys: list[tuple[str, ...]], rng: random.Random) -> None:
        samples = [sample(i, subject=s, clip=c, sha256=h) for i, (s, c, _, h) in enumerate(keys)]
        shuffled = rng.sample(samples, len(samples))
        assert homes(samples) == homes(shuffled)

    def test_groups_are_linked_through_each_other(self) -> None:
        chain = [sample(0, subject="p"), sample(1, subject="p", clip="c"), sample(2, clip="c", sha256="f" * 64)]
        groups = groups_of([*chain, sample(3, sha256="f" * 64), sample(4)])
        assert sorted(len(group) for group in groups) == [1, 4]

    def test_a_subject_and_an_id_of_the_same_name_are_two_groups(self) -> None:
        rows = [sample(0, subject="1.png"), sample(1)]
        assert len(homes(rows)) == 2

    def test_rows_that_belong_to_no_other_are_split_by_their_id_alone(self) -> None:
        alone = [sample(i) for i in range(300)]
        pairs = [sample(1000 + i, sha256=f"{i // 2:060x}ffff") for i in range(40)]
        expected = {s.id: split_by_hash(s.id, SHARES) for s in alone}
        assert homes(alone) == expected
        assert {name: split for name, split in homes(alone + pairs).items() if name in expected} == expected

    def test_rows_of_official_splits_stay_and_tie_nothing(self) -> None:
        rows = [sample(0, split="test", subject="p"), sample(1, split="train", subject="p")]
        carved = carve(rows, {"train": 1.0}, 0)
        assert [s.split for s in carved] == ["test", "train"]


class TestEvenness:
    def test_people_that_hash_well_stay_where_their_name_hashes_to(self) -> None:
        rows = [sample(i, subject=f"p{i % 300}") for i in range(2100)]
        assert homes(rows) == {s.id: split_by_hash(s.subject or "", SHARES) for s in rows}

    def test_few_people_are_shared_out_evenly_by_class(self) -> None:
        assert Counter(split_by_hash(f"JAFFE {i}", SHARES) for i in range(10)) == {"train": 8, "test": 2}
        rows = [sample(i, subject=f"JAFFE {i % 10}") for i in range(210)]
        carved = carve(rows, SHARES, 0)
        assert Counter(s.split for s in carved) == {"train": 147, "val": 21, "test": 42}
        assert len({(s.split, s.label) for s in carved}) == 21

    def test_people_of_one_class_each_do_not_swell_a_split(self) -> None:
        rows = [sample(i, subject=f"p{i % 21}", label=SEVEN[i % 21 // 3]) for i in range(630)]
        counts = Counter(homes(rows).values())
        assert counts["val"] <= 90
        assert counts["train"] >= 350

    def test_every_class_of_which_there_is_enough_is_in_every_split(self) -> None:
        for seed in range(20):
            pairs = [sample(i, sha256=f"{i // 2:064x}", label=SEVEN[i // 2 % 7]) for i in range(280)]
            carved = carve(pairs, SHARES, seed)
            assert len({(s.split, s.label) for s in carved}) == 21

    def test_few_people_still_fill_every_split(self) -> None:
        for n in (3, 4, 5, 10):
            rows = [sample(i, subject=f"p{i % n}") for i in range(30 * n)]
            assert set(homes(rows).values()) == set(SHARES), n

    def test_another_seed_gives_another_division(self) -> None:
        rows = [sample(i, subject=f"p{i % 20}") for i in range(400)]
        assert homes(rows, seed=1) != homes(rows, seed=2)

    def test_rejected_rows_fill_no_split(self) -> None:
        rows = [sample(i, subject=f"p{i % 4}", reason="file is missing" if i % 4 else "") for i in range(40)]
        rows += [sample(100 + i, subject=f"q{i % 2}") for i in range(20)]
        carved = carve(rows, SHARES, 0)
        assert {s.split for s in carved if not s.reason} == set(SHARES)


def test_clips_that_are_numbered_per_subject_are_noted() -> None:
    rows = [sample(i, subject=f"p{i % 5}", clip=f"{i % 3:03d}") for i in range(60)]
    notes = list(carving_notes(carve(rows, SHARES, 0), SHARES))
    assert any("3 clips belong to several subjects" in note and "S005/001" in note for note in notes)


def notes_of(layout: str, files: dict[str, bytes], folder: Path) -> tuple[dict[str, dict[str, int]], list[str]]:
    heard: list[Progress] = []
    table = index_dataset("d", layout, pack(files, folder, "folder"), {}, heard.append)
    return table.summary()["crossing"], [step.note for step in heard if step.note]


class TestCrossing:
    def test_identical_files_stay_in_one_carved_split(self, tmp_path: Path) -> None:
        files = {f"{SEVEN[i % 7]}/{i}{end}.png": picture(i) for i in range(140) for end in ("", "_copy")}
        frame = index_dataset("d", "folder", pack(files, tmp_path, "folder"), {}).frame
        assert (frame.groupby("sha256")["split"].nunique() == 1).all()
        assert set(frame["split"]) == {"train", "val", "test"}

    def test_rows_that_cross_official_splits_are_counted_per_kind(self, tmp_path: Path) -> None:
        rows = ["path,label,split,subject", "a.png,fear,train,p", "b.png,fear,val,q", "c.png,fear,test,p"]
        rows += ["d.png,fear,test,r", "e.png,fear,test,s"]
        shades = {"a": 1, "b": 1, "c": 1, "d": 2, "e": 3}
        files = {f"{name}.png": picture(shade) for name, shade in shades.items()}
        crossing, notes = notes_of("csv", files | {"labels.csv": "\n".join(rows).encode()}, tmp_path)
        assert crossing == {
            "bytes": {"val in train": 1, "test in train": 1, "test in val": 1},
            "subject": {"test in train": 1},
        }
        assert any("equal bytes" in n and "1 of 3 test rows are also in train" in n for n in notes)
        assert any("the same subject" in n and "1 of 3 test rows" in n for n in notes)

    def test_rows_that_cross_folds_are_counted(self, tmp_path: Path) -> None:
        rows = ["path,label,split,subject,fold", "a.png,fear,train,p,1", "b.png,fear,train,p,2", "c.png,fear,train,q,2"]
        files = {f"{name}.png": picture(ord(name)) for name in "abc"}
        crossing, notes = notes_of("csv", files | {"labels.csv": "\n".join(rows).encode()}, tmp_path)
        assert crossing == {"subject": {"across folds": 2}}
        assert any("2 rows are also in another fold" in note for note in notes)

    def test_rejected_rows_cross_nothing(self, tmp_path: Path) -> None:
        rows = ["path,label,split,subject", "a.png,fear,train,p", "lost.png,fear,test,p", "b.png,fear,test,q"]
        files = {"a.png": picture(1), "b.png": picture(2), "labels.csv": "\n".join(rows).encode()}
        assert notes_of("csv", files, tmp_path)[0] == {}


class TestMuxspacePeople:
    def test_a_number_of_any_length_ends_the_name_of_a_person(self, tmp_path: Path) -> None:
        names = [
            "Avinash_30.jpg",
            "Avinash_7.jpg",
            "Bo_Ek_0001.jpg",
            "José_Li_12.jpg",
            "facial-expressions_2868588k.jpg",
        ]
        legend = "\n".join(["user.id,image,emotion", *(f"x,{name},fear" for name in names)])
        files = {f"images/{name}": picture(i) for i, name in enumerate(names)} | {"data/legend.csv": legend.encode()}
        table = index_dataset("m", "muxspace", pack(files, tmp_path, "folder"), {})
        subjects = dict(zip(table.frame["id"], table.frame["subject"].fillna(""), strict=True))
        assert list(subjects.values()) == ["Avinash", "Avinash", "Bo_Ek", "José_Li", ""]
        assert table.info.unread_columns == {}

    def test_all_pictures_of_a_person_are_in_one_split_whatever_their_numbers_look_like(self, tmp_path: Path) -> None:
        names = [f"Person{person}_{10 * person + i}.jpg" for person in range(8) for i in range(6)]
        legend = "\n".join(["user.id,image,emotion", *(f"x,{name},fear" for name in names)])
        files = {f"images/{name}": picture(i) for i, name in enumerate(names)} | {"data/legend.csv": legend.encode()}
        frame = index_dataset("m", "muxspace", pack(files, tmp_path, "folder"), {}).frame
        splits = frame["split"].groupby(frame["id"].str.partition("_")[0]).unique()
        assert [list(found) for found in splits if len(found) > 1] == []
        assert set(frame["split"]) == {"train", "val", "test"}


_FRAMES = st.lists(
    st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.sampled_from(["anger", "fear"])),
    min_size=1,
    max_size=20,
)


@given(_FRAMES, st.sampled_from([0.1, 0.5]), st.integers(0, 3))
def test_clips_are_carved_whole_and_with_all_that_share_a_frame(
    clips: list[tuple[list[int], str]], share: float, seed: int
) -> None:
    rows = [
        Sample(f"{i}/{j}", f"{i}/{j}", label, "train", sha256=f"{content:064x}", clip=str(i), frame=j)
        for i, (contents, label) in enumerate(clips)
        for j, content in enumerate(contents)
    ]
    carved = carve_clips(rows, {"train": 1 - share, "val": share}, seed)
    assert [replace(row, split="train") for row in carved] == rows
    of_clip = {(row.clip, row.split) for row in carved}
    assert len(of_clip) == len(clips)
    of_bytes = {(row.sha256, row.split) for row in carved}
    assert len(of_bytes) == len({row.sha256 for row in rows})


def test_shares_are_of_clips_whatever_their_lengths() -> None:
    rows = [
        Sample(f"{i:02d}/{j}", f"{i}/{j}", "anger", "", clip=f"{i:02d}", frame=j)
        for i in range(50)
        for j in range(200 if i == 0 else 1)
    ]
    clips = clips_of(carve_clips(rows, {"train": 0.8, "test": 0.2}, 0))
    assert 5 <= sum(clip.split == "test" for clip in clips) <= 15
