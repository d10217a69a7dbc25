"""Counts of equal rows, against every pair of rows compared one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audit.findings import Comparison, Finding, compare
from pipeline.audit.record import KINDS, AuditInfo
from pipeline.audit.rows import AuditedRows
from pipeline.audit.search import AuditedPictures, Thresholds, column_equalities
from pipeline.tables.samples import Sample, SampleTable, TableInfo

CLASSES = {"one": ("fear", "anger", "disgust"), "two": ("fear", "anger", "contempt")}
ROW = st.tuples(
    st.sampled_from(["one", "two"]),
    st.sampled_from(["train", "val", "test"]),
    st.integers(0, 2),  # label, of the dataset's classes
    st.integers(0, 5),  # file
    st.sampled_from([None, (0, 0, 2, 2), (1, 1, 2, 2)]),
)
Row = tuple[str, str, int, int, Any]


def sha256(number: int) -> str:
    return f"{number:064x}"


def audited(rows: Sequence[Row], **columns: Sequence[str]) -> AuditedRows:
    tables = {}
    for name in dict.fromkeys(row[0] for row in rows):
        samples = [
            Sample(
                f"{name}-{number}",
                f"{number}.png",
                CLASSES[name][label],
                split,
                sha256(file),
                box=box,
                **{column: values[number] for column, values in columns.items()},
            )
            for number, (dataset, split, label, file, box) in enumerate(rows)
            if dataset == name
        ]
        tables[name] = SampleTable.from_samples(samples, TableInfo(name, "csv", "root", CLASSES[name]))
    return AuditedRows.of(tables)


def pictures_of(
    rows: AuditedRows, contents: Sequence[int], hashes: Sequence[int], kinds: Sequence[str]
) -> AuditedPictures:
    """File and box -> content of its pixels; content -> hash."""
    shown = [
        contents[(int(file, 16) + 3 * len(box)) % len(contents)]
        for file, box in zip(rows.items["sha256"], rows.items["box"], strict=True)
    ]
    prints = {
        "pixels": [f"{content}" for content in shown],
        "phash": np.array([hashes[content] for content in shown], np.uint64),
        "contrast": 9.0,
        "reason": "",
    }
    return AuditedPictures(rows, kinds, Thresholds(2), pd.DataFrame(prints))


def expected(pictures: AuditedPictures) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """(kind, place, other place) -> rows of each with an equal at the other, and conflicts of the first's rows."""
    frame = pictures.rows.frame
    prints = pictures.fingerprints
    assert prints is not None
    items = zip(pictures.rows.items["sha256"], pictures.rows.items["box"], strict=True)
    item = {key: number for number, key in enumerate(items)}
    rows = [
        {**row, "item": item[row["sha256"], row["box"]], "place": (row["dataset"], row["split"])}
        for row in frame.to_dict("records")
    ]

    def kind_of(a: dict[str, Any], b: dict[str, Any]) -> str | None:
        same_file = a["sha256"] == b["sha256"]
        one, other = prints.iloc[a["item"]], prints.iloc[b["item"]]
        if same_file and (a["box"] == b["box"] or a["place"] != b["place"]):
            return "bytes"
        if one["pixels"] == other["pixels"]:
            return "pixels"
        return "phash" if (int(one["phash"]) ^ int(other["phash"])).bit_count() <= 2 else None

    def conflict(a: dict[str, Any], b: dict[str, Any]) -> bool:
        shared = set(CLASSES[a["dataset"]]) & set(CLASSES[b["dataset"]])
        return a["label"] != b["label"] and {a["label"], b["label"]} <= shared

    counts: dict[tuple[str, ...], list[int]] = {}
    for a in rows:
        for place in {row["place"] for row in rows}:
            others = [(kind_of(a, b), b) for b in rows if b is not a and b["place"] == place]
            strictest = min((kind for kind, _ in others if kind), key=KINDS.index, default=None)
            if strictest:
                count = counts.setdefault((strictest, *a["place"], *place), [0, 0])
                count[0] += 1
                count[1] += any(kind == strictest and conflict(a, b) for kind, b in others)
    return {key: (n, counts.get((key[0], *key[3:], *key[1:3]), [0])[0], c) for key, (n, c) in counts.items()}


def found(findings: Sequence[Finding]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    return {
        (one.kind, one.dataset, one.split, one.other_dataset, one.other_split): (
            one.pictures,
            one.other_pictures,
            one.conflicts,
        )
        for one in findings
    }


@given(
    st.lists(ROW, min_size=1, max_size=14),
    st.lists(st.integers(0, 5), min_size=6, max_size=6),
    st.lists(st.sampled_from([0, 1, 3, 7, 15, 255]), min_size=6, max_size=6),
)
def test_counts_are_those_of_every_pair_of_rows(rows: list[Row], contents: list[int], hashes: list[int]) -> None:
    pictures = pictures_of(audited(rows), contents, hashes, KINDS[:3])
    comparison = compare(pictures.rows, pictures.search())
    by_pair = expected(pictures)
    for key, counts in found(comparison.findings).items():
        assert counts == by_pair.get(key, (0, counts[1], 0)), key
    mentioned = {(key[0], frozenset([key[1:3], key[3:]])) for key in found(comparison.findings)}
    assert mentioned == {(key[0], frozenset([key[1:3], key[3:]])) for key in by_pair}
    check_pairs(comparison)
    check_record(pictures, comparison)


def check_pairs(comparison: Comparison) -> None:
    """Every counted row is in a pair of its kind with the place where its equal is."""
    rows, pairs = comparison.rows, comparison.pairs
    listed = {(one.kind, one.id, one.other_dataset, one.other_split) for one in pairs.itertuples()} | {
        (one.kind, one.other_id, one.dataset, one.split) for one in pairs.itertuples()
    }
    for number, kind in enumerate(comparison.kinds):
        for row, place in zip(*np.nonzero(comparison.strictest == number), strict=True):
            there = rows.places[place]
            if kind.kind != "phash":  # of near pictures the first row of each is listed
                assert (kind.kind, rows.frame["id"][row], there.dataset, there.split) in listed
    assert not pairs.duplicated(["kind", "id", "other_id"]).any()
    assert (pairs["id"] != pairs["other_id"]).all()
    for one in pairs.itertuples():
        assert not one.conflict or one.label != one.other_label


def check_record(pictures: AuditedPictures, comparison: Comparison) -> None:
    """The record answers for every two places as the comparison does, for files without boxes."""
    rows = comparison.rows
    if (rows.frame["box"] != "").any():
        return
    record = pictures.record(comparison.kinds, AuditInfo({}, {kind: {} for kind in KINDS[:3]}))
    for a in range(len(rows.places)):
        for b in range(len(rows.places)):
            if a != b:
                images, among = (rows.frame["sha256"][rows.place == place].tolist() for place in (a, b))
                for number, kind in enumerate(KINDS[:3]):
                    mine = comparison.strictest[rows.place == a, b] == number
                    assert record.equal_rows(images, among)[kind].tolist() == mine.tolist()


def test_labels_contradict_only_where_both_datasets_know_both() -> None:
    rows = audited(
        [
            ("one", "test", 2, 0, None),
            ("two", "train", 0, 0, None),
            ("one", "test", 1, 1, None),
            ("two", "train", 0, 1, None),
        ]
    )
    pictures = AuditedPictures(rows, ["bytes"])
    comparison = compare(rows, pictures.search())
    assert found(comparison.findings) == {("bytes", "one", "test", "two", "train"): (2, 2, 1)}
    assert comparison.findings[0].where == "across datasets"
    assert sorted(zip(comparison.pairs["label"], comparison.pairs["conflict"], strict=True)) == [
        ("anger", True),
        ("disgust", False),
    ]


def test_people_in_two_splits_are_counted_by_dataset() -> None:
    rows = audited(
        [
            ("one", "train", 0, 0, None),
            ("one", "test", 1, 1, None),
            ("one", "test", 1, 2, None),
            ("two", "val", 0, 3, None),
        ],
        subject=["x", "x", "y", "x"],
    )
    (people,) = column_equalities(rows)
    assert found(compare(rows, [people]).findings) == {("subject", "one", "test", "one", "train"): (1, 1, 0)}


def test_frames_of_one_clip_are_no_near_duplicates() -> None:
    def findings(clips: list[str]) -> Sequence[Finding]:
        rows = audited([("one", "train", 0, 0, None), ("one", "train", 0, 1, None)], clip=clips)
        pictures = pictures_of(rows, [0, 1], [0, 1], KINDS[:3])
        return compare(rows, pictures.search()).findings

    assert not findings(["a", "a"])
    assert [one.kind for one in findings(["a", "b"])] == ["phash"]
    assert [one.kind for one in findings(["", ""])] == ["phash"]


def test_pictures_without_contrast_are_left_out_and_counted() -> None:
    rows = audited([("one", "train", 0, 0, None), ("one", "test", 0, 1, None)])
    pictures = pictures_of(rows, [0, 1], [0, 0], KINDS[:3])
    assert pictures.fingerprints is not None
    pictures.fingerprints["contrast"] = 0.5
    assert not compare(rows, pictures.search()).findings
    assert pictures.is_flat.sum() == 2


def test_features_without_a_value_are_in_no_pair() -> None:
    rows = audited([("one", "train", 0, number, None) for number in range(3)])
    features = np.array([[1, 0], [np.nan, np.nan], [1, 0]], np.float32)
    comparison = compare(rows, AuditedPictures(rows, ["features"], features=features).search())
    assert comparison.pairs[["id", "other_id", "distance"]].values.tolist() == [["one-0", "one-2", pytest.approx(0)]]


def test_in_a_dataset_of_clips_clips_are_counted() -> None:
    """Train: clip a of frames 1, 1, 2 and clip b of 3, 4; test: clip c of 1, 2 and clip d of 9.

    c has two frames of a: one clip of test has an equal in train, half of its clips, and one of train. The equal frames
    within a are no finding.
    """
    frames = [("a", 1), ("a", 1), ("a", 2), ("b", 3), ("b", 4), ("c", 1), ("c", 2), ("d", 9)]
    samples = [
        Sample(f"{clip}-{i}", f"{i}.png", "fear", "train" if clip in "ab" else "test", sha256(file), clip=clip, frame=i)
        for i, (clip, file) in enumerate(frames)
    ]
    info = TableInfo("one", "x", "/x", CLASSES["one"], unit="clip")
    rows = AuditedRows.of({"one": SampleTable.from_samples(samples, info)})
    assert [(place.split, place.n) for place in rows.places] == [("train", 2), ("test", 2)]
    pictures = AuditedPictures(rows, ["bytes"])
    (finding,) = compare(rows, pictures.search()).findings
    assert (finding.split, finding.other_split, finding.pictures, finding.other_pictures) == ("test", "train", 1, 1)
    assert (finding.share, finding.groups) == (0.5, 2)
