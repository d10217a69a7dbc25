"""CK+, JAFFE, KDEF, Oulu-CASIA: protocols with the counts of the literature, people, folds, traps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trees.lab import ck_plus_48, ck_plus_csv, ck_plus_folds, ck_plus_sequences, kdef, oulu_casia
from trees.tree import images_of, lines, pack, picture

from pipeline.datasets.index import index_dataset
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.layouts.ck_plus import CkPlus
from pipeline.datasets.layouts.kdef import Kdef
from pipeline.datasets.layouts.oulu_casia import OuluCasia
from pipeline.datasets.reading.base import Scan, parse_options
from pipeline.datasets.reading.subjects import folds_by_subject
from pipeline.datasets.roots import open_root
from pipeline.errors import ConfigError, DatasetError
from pipeline.tables.samples import SampleTable

CODES = {"anger": 1, "contempt": 2, "disgust": 3, "fear": 4, "happiness": 5, "sadness": 6, "surprise": 7}
SEQUENCES = {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}


def scan_of(layout: str, root: Path, **options: Any) -> Scan:
    with open_root(root) as files:
        return LAYOUTS[layout].scan(files, parse_options(LAYOUTS[layout], options))


def table_of(layout: str, files: Mapping[str, bytes], folder: Path, **options: Any) -> SampleTable:
    return index_dataset("d", layout, pack(files, folder, "folder"), options)


def labels_of(scan: Scan) -> Counter[str]:
    return Counter(sample.label for sample in scan.samples)


@pytest.fixture(scope="module")
def whole_ck_plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 327 labelled sequences and 266 others of 123 people, five empty frames each: a scan opens no image."""
    labels = [label for label, n in SEQUENCES.items() for _ in range(n)] + [""] * 266
    files = {}
    for i, label in enumerate(labels):
        clip, stem = f"S{i % 123:03d}/{i // 123 + 1:03d}", f"S{i % 123:03d}_{i // 123 + 1:03d}"
        files |= {f"cohn-kanade-images/{clip}/{stem}_{frame:08d}.png": b"" for frame in range(1, 6)}
        if label:
            files[f"Emotion_labels/{clip}/{stem}_00000005_emotion.txt"] = b"   %d.0000000e+00\n" % CODES[label]
    return pack(files, tmp_path_factory.mktemp("ck"), "zip")


@pytest.fixture(scope="module")
def whole_ck_plus_48(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {label: iter(range(3 * n)) for label, n in SEQUENCES.items()}
    files = {
        f"CK+48/{label}/S{CODES[label]:03d}_{i // 3:03d}_{i % 3 + 10:08d}.png": b""
        for label in names
        for i in names[label]
    }
    return pack(files, tmp_path_factory.mktemp("ck48"), "zip")


class TestProtocolsOfCkPlus:
    @pytest.mark.parametrize("published", CkPlus.facts.counts, ids=lambda published: published.release)
    def test_a_protocol_has_the_counts_of_the_literature(self, published: Any, whole_ck_plus: Path) -> None:
        total = int(published.release.partition(":")[0])
        protocol = {654: 636, 927: 981}.get(total, total)
        scan = scan_of("ck-plus", whole_ck_plus, **{"protocol": protocol} | published.options)
        assert labels_of(scan) == published.labels[""]
        assert len(scan.samples) == total

    @pytest.mark.parametrize(
        ("protocol", "classes", "total"),
        [
            *((None, 7, 636), (636, 7, 636), (618, 7, 618), (309, 7, 309), (327, 8, 327), (981, 8, 981)),
            *((981, 7, 927), (636, 8, 654), (618, 8, 654)),
        ],
    )
    def test_a_protocol_is_named_by_its_number_of_images(
        self, protocol: int | None, classes: int, total: int, whole_ck_plus: Path
    ) -> None:
        scan = scan_of("ck-plus", whole_ck_plus, protocol=protocol, classes=classes)
        assert len(scan.samples) == total
        assert scan.release == f"sequences and labels, protocol {protocol or 636}"
        assert len(scan.samples) + sum(scan.excluded.values()) == 593 * 5
        assert scan.excluded["sequence without an emotion label"] == 266 * 5

    def test_the_last_frame_has_the_label_and_the_first_is_neutral(self, whole_ck_plus: Path) -> None:
        frames = {(s.label == "neutral", s.frame) for s in scan_of("ck-plus", whole_ck_plus).samples}
        assert frames == {(True, 1), (False, 5)}

    def test_981_are_the_last_three_frames(self, whole_ck_plus: Path) -> None:
        assert {s.frame for s in scan_of("ck-plus", whole_ck_plus, protocol=981, classes=8).samples} == {3, 4, 5}

    @pytest.mark.parametrize(("protocol", "classes", "other"), [(309, 8, 327), (327, 7, 309)])
    def test_a_protocol_that_contradicts_the_classes_is_refused(
        self, protocol: int, classes: int, other: int, whole_ck_plus: Path
    ) -> None:
        with pytest.raises(ConfigError, match=f"Set classes to {15 - classes}, or protocol to {other}"):
            scan_of("ck-plus", whole_ck_plus, protocol=protocol, classes=classes)
        assert len(scan_of("ck-plus", whole_ck_plus, protocol=other, classes=classes).samples) == other

    def test_an_unknown_protocol_is_refused_with_those_that_exist(self, whole_ck_plus: Path) -> None:
        with pytest.raises(ConfigError, match=r"636, 618, 327, 309 or 981.*found 593"):
            scan_of("ck-plus", whole_ck_plus, protocol=593)

    def test_ck48_has_981_images_and_their_last_frames(self, whole_ck_plus_48: Path) -> None:
        everything = scan_of("ck-plus", whole_ck_plus_48, classes=8)
        assert labels_of(everything) == {label: 3 * n for label, n in SEQUENCES.items()}
        last = scan_of("ck-plus", whole_ck_plus_48, classes=8, protocol=327)
        assert labels_of(last) == SEQUENCES
        assert {s.frame for s in last.samples} == {12}

    @pytest.mark.parametrize("protocol", [636, 618])
    def test_ck48_has_no_neutral_frames(self, protocol: int, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"without neutral frames .CK\+48.\. Set the option protocol to 981"):
            table_of("ck-plus", ck_plus_48().files, tmp_path, protocol=protocol)


class TestPeopleOfCkPlus:
    def test_subject_clip_and_frame_are_of_the_names(self, tmp_path: Path) -> None:
        frame = table_of("ck-plus", ck_plus_sequences().files, tmp_path).frame.set_index("id")
        assert frame.loc["S005_001_00000011", ["subject", "clip", "frame"]].tolist() == ["S005", "S005/001", 11]

    def test_ck48_has_the_ids_of_the_sequences(self, tmp_path: Path) -> None:
        frame = table_of("ck-plus", ck_plus_48().files, tmp_path).frame.set_index("id")
        row = frame.loc["S010_004_00000017", ["subject", "clip", "frame", "fold"]]
        assert row.tolist() == ["S010", "S010/004", 17, 1]

    def test_folds_are_dealt_by_person_in_ascending_order(self) -> None:
        names = [f"S{i:03d}" for i in range(12)]
        folds = folds_by_subject(reversed(names), 10)
        assert [folds[name] for name in names] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2]

    @pytest.mark.parametrize("protocol", [636, 309, 981])
    def test_a_person_is_in_the_same_fold_under_every_protocol(self, protocol: int, whole_ck_plus: Path) -> None:
        folds = {s.subject: s.fold for s in scan_of("ck-plus", whole_ck_plus, protocol=protocol).samples}
        assert folds == {subject: 1 + i % 10 for i, subject in enumerate(sorted(map(str, folds)))}
        assert len(folds) == 123

    def test_another_number_of_folds(self, whole_ck_plus: Path) -> None:
        assert {s.fold for s in scan_of("ck-plus", whole_ck_plus, folds=5).samples} == {1, 2, 3, 4, 5}

    def test_no_person_is_in_two_splits_or_two_folds(self, tmp_path: Path) -> None:
        names = [f"S{i:03d}/001/S{i:03d}_001_{n:08d}" for i in range(30) for n in (1, 2)]
        files = {f"cohn-kanade-images/{name}.png": picture(i) for i, name in enumerate(names)}
        files |= {f"Emotion/{name}_emotion.txt": b"   5.0000000e+00\n" for name in names[1::2]}
        table = table_of("ck-plus", files, tmp_path)
        assert table.frame.groupby("subject")["split"].nunique().max() == 1
        assert table.frame.groupby("subject")["fold"].nunique().max() == 1
        assert set(table.frame["split"]) == {"train", "val", "test"}
        assert table.crossing() == {}


class TestFilesOfCkPlus:
    def test_empty_and_absent_label_folders_are_unlabelled_sequences(self, tmp_path: Path) -> None:
        root = pack(ck_plus_sequences().files, tmp_path, "folder")
        (root / "Emotion" / "S014" / "001").mkdir(parents=True)
        (root / "Emotion" / "S022").mkdir()
        table = index_dataset("d", "ck-plus", root, {})
        assert table.info.excluded["sequence without an emotion label"] == 2

    def test_a_frame_after_the_labelled_one_is_the_last(self, tmp_path: Path) -> None:
        files = {**ck_plus_sequences().files, "cohn-kanade-images/S005/001/S005_001_00000012.png": picture(99)}
        frame = table_of("ck-plus", files, tmp_path).frame
        assert frame[frame["label"] == "disgust"]["frame"].tolist() == [12]

    def test_a_missing_first_frame_is_not_replaced_by_a_later_one(self, tmp_path: Path) -> None:
        files = dict(ck_plus_sequences().files)
        del files["cohn-kanade-images/S005/001/S005_001_00000001.png"]
        frame = table_of("ck-plus", files, tmp_path).frame.set_index("id")
        assert frame.loc["S005_001_00000001", ["label", "reason"]].tolist() == ["neutral", "file is missing"]

    def test_two_labels_that_contradict_each_other_reject_the_frame(self, tmp_path: Path) -> None:
        files = {**ck_plus_sequences().files, "Emotion_labels/S005/001/S005_001_00000011_emotion.txt": b"4.0\n"}
        frame = table_of("ck-plus", files, tmp_path).frame.set_index("id")
        assert frame.loc["S005_001_00000011", "reason"] == "conflicting rows"

    def test_labels_in_both_of_their_folders_count_once(self, tmp_path: Path) -> None:
        files = {**ck_plus_sequences().files, "Emotion_labels/S005/001/S005_001_00000011_emotion.txt": b"3.0\n"}
        assert len(table_of("ck-plus", files, tmp_path)) == len(ck_plus_sequences().samples)

    def test_frames_without_labels_say_what_is_missing(self, tmp_path: Path) -> None:
        files = {name: data for name, data in ck_plus_sequences().files.items() if name.endswith(".png")}
        with pytest.raises(
            DatasetError, match=r"expected labels next to the sequences .Emotion/S005/.*found frames alone"
        ):
            table_of("ck-plus", files, tmp_path)

    def test_sequences_in_two_folders_are_refused(self, tmp_path: Path) -> None:
        files = ck_plus_sequences().files
        files = {f"{top}/{name}": data for top in ("a", "b") for name, data in files.items()}
        with pytest.raises(DatasetError, match="'a/cohn-kanade-images/', 'b/cohn-kanade-images/'"):
            table_of("ck-plus", files, tmp_path)

    def test_official_frames_come_before_those_of_another_folder(self, tmp_path: Path) -> None:
        files = {**ck_plus_sequences().files, "ck_face/S005/001/S005_001_00000001.png": picture(99)}
        table = table_of("ck-plus", files, tmp_path)
        assert len(table) == len(ck_plus_sequences().samples)
        assert dict(table.info.unread_images) == {"ck_face/": 1}

    def test_a_list_of_folds_sets_the_folds(self, tmp_path: Path) -> None:
        frame = table_of("ck-plus", ck_plus_folds().files, tmp_path, folds=2).frame
        assert frame.groupby("subject")["fold"].first().to_dict() == {"S010": 2, "S037": 2, "S130": 1, "S147": 1}

    def test_another_number_of_folds_than_the_list_has_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected 10 folds .option folds., found 2.*Set the option folds to 2"):
            table_of("ck-plus", ck_plus_folds().files, tmp_path)

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            (["1-fold 2 Angry 2", "S130/007 Angry"], "expected 2 sequences in fold 1.*found 1"),
            (["S130/007 Angry"], "line 1: expected '1-fold"),
            (["1-fold 1", "S130-007 Angry"], "line 2: expected .*found 'S130-007 Angry'"),
        ],
    )
    def test_a_torn_list_of_folds_is_refused(self, rows: list[str], words: str, tmp_path: Path) -> None:
        name = next(name for name in ck_plus_folds().files if name.endswith(".txt"))
        with pytest.raises(DatasetError, match=words):
            table_of("ck-plus", {**ck_plus_folds().files, name: lines(*rows)}, tmp_path)


class TestNumbersWithoutEnd:
    """A name in an archive may have thousands of digits; no frame has."""

    @pytest.mark.parametrize("digits", [20, 4_000])
    def test_they_are_no_frames_of_ck_plus(self, digits: int, tmp_path: Path) -> None:
        odd = {f"cohn-kanade-images/S005/001/S005_001_{'9' * digits}.png": picture(99)}
        table = index_dataset("d", "ck-plus", pack(ck_plus_sequences().files | odd, tmp_path, "tar"), {})
        assert set(table.frame["id"]) == set(ck_plus_sequences().samples)
        assert sum(table.info.unread_images.values()) == 1

    @pytest.mark.parametrize("digits", [20, 4_000])
    def test_they_are_no_frames_of_oulu_casia(self, digits: int, tmp_path: Path) -> None:
        odd = {f"Oulu_CASIA_NIR_VIS/VL/Strong/P001/Anger/{'9' * digits}.jpeg": picture(99)}
        table = index_dataset("d", "oulu-casia", pack(oulu_casia().files | odd, tmp_path, "tar"), {})
        assert set(table.frame["id"]) == set(oulu_casia().samples)
        assert sum(table.info.unread_images.values()) == 1

    def test_they_are_no_labels_of_ck_plus(self, tmp_path: Path) -> None:
        odd = {f"Emotion/S005/001/S005_001_{'9' * 20}_emotion.txt": b"3.0"}
        with pytest.raises(DatasetError, match=r"expected labels named S005_001_00000011_emotion\.txt, found 1 others"):
            index_dataset("d", "ck-plus", pack(ck_plus_sequences().files | odd, tmp_path, "tar"), {})


class TestCsvOfCkPlus:
    def test_its_rows_have_no_person_and_no_fold(self, tmp_path: Path) -> None:
        frame = table_of("ck-plus", ck_plus_csv().files, tmp_path).frame
        assert not {"subject", "clip", "frame", "fold"} & set(frame.columns)
        assert frame["path"].tolist() == [f"data/ckextended.csv::{row:07d}" for row in (0, 2, 3)]

    @pytest.mark.parametrize("protocol", [636, 309, 981])
    def test_a_protocol_needs_sequences(self, protocol: int, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"rows without people and sequences\. Leave the option protocol out"):
            table_of("ck-plus", ck_plus_csv().files, tmp_path, protocol=protocol)

    def test_whole_sequences_come_before_it(self, tmp_path: Path) -> None:
        table = table_of("ck-plus", {**ck_plus_csv().files, **ck_plus_sequences().files}, tmp_path)
        assert table.info.release == "sequences and labels, protocol 636"


class TestNamesThatHoldLabels:
    def test_af_is_a_session_at_the_start_and_fear_after_the_number(self, tmp_path: Path) -> None:
        frame = table_of("kdef", kdef().files, tmp_path).frame.set_index("id")
        assert frame["label"].to_dict()["AF01ANS"] == "anger"
        assert frame["label"].to_dict()["AF01AFS"] == "fear"

    def test_both_sessions_of_a_person_are_one_subject(self, tmp_path: Path) -> None:
        frame = table_of("kdef", kdef().files, tmp_path).frame.set_index("id")
        assert frame["subject"].to_dict() == {"AF01AFS": "F01", "AF01ANS": "F01", "BF01ANS": "F01", "AM01SUS": "M01"}

    @pytest.mark.parametrize("angles", [["FL", "S"], ("S", "FL"), "S,FL", "FL S"])
    def test_angles_are_read_as_requested(self, angles: Any, tmp_path: Path) -> None:
        table = table_of("kdef", kdef().files, tmp_path, angles=angles)
        assert "AF01ANFL" in set(table.frame["id"])
        assert table.info.options["angles"] == ["S", "FL"]
        assert table.info.excluded == {"half right view": 1, "name is not like AF01ANS.JPG": 1}

    @pytest.mark.parametrize("angles", [[], "", ["S", "left"], 5, [["S"]]])
    def test_other_angles_are_refused(self, angles: Any, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="options of layout kdef: angles"):
            table_of("kdef", kdef().files, tmp_path, angles=angles)

    @pytest.mark.parametrize("published", Kdef.facts.counts)
    def test_kdef_has_the_published_counts(self, published: Any, tmp_path: Path) -> None:
        names = [
            f"{session}{sex}{n:02d}/{session}{sex}{n:02d}{code}{angle}.JPG"
            for session in "AB"
            for sex in "FM"
            for n in range(1, 36)
            for code in ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
            for angle in ("S", "HL", "HR", "FL", "FR")
        ]
        scan = scan_of("kdef", pack(dict.fromkeys(names, b""), tmp_path, "zip"), **published.options)
        assert labels_of(scan) == published.labels[""]
        assert len({sample.subject for sample in scan.samples}) == 70

    @pytest.mark.parametrize(
        "name", ["KA.AN1.39.tiff", "KA.AN139.tiff", "KAAN1.39.TIF", "ka.an1.39.tiff", "KA.AN1.39.png"]
    )
    def test_irregular_names_of_jaffe_are_read(self, name: str, tmp_path: Path) -> None:
        frame = table_of("jaffe", {name: picture(1)}, tmp_path).frame
        assert frame[["label", "subject"]].iloc[0].tolist() == ["anger", "KA"]

    @pytest.mark.parametrize("name", ["KA.XX1.39.tiff", "K.AN1.39.tiff", "KA.AN1.39b.tiff"])
    def test_other_names_are_left_out_with_a_reason(self, name: str, tmp_path: Path) -> None:
        table = table_of("jaffe", {name: picture(1), "KA.AN1.39.tiff": picture(2)}, tmp_path)
        assert table.info.excluded == {"name is not like KA.AN1.39.tiff": 1}

    @pytest.mark.parametrize("copy", ["copy/KA.AN1.39.tiff", "png/KA.AN1.39.png"])
    def test_one_name_twice_is_refused(self, copy: str, tmp_path: Path) -> None:
        files = images_of(f"jaffe/KA.AN1.39.tiff jaffe/{copy}")
        with pytest.raises(DatasetError, match=r"expected every image once, found 'jaffe/KA\.AN1\.39\.tiff'"):
            table_of("jaffe", files, tmp_path)


class TestOuluCasia:
    @pytest.mark.parametrize("published", OuluCasia.facts.counts)
    def test_it_has_the_published_counts(self, published: Any, tmp_path: Path) -> None:
        names = [
            f"VL/Strong/P{person:03d}/{emotion}/{frame:03d}.jpeg"
            for person in range(1, 81)
            for emotion in ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
            for frame in range(6)
        ]
        scan = scan_of("oulu-casia", pack(dict.fromkeys(names, b""), tmp_path, "zip"), **published.options)
        assert labels_of(scan) == published.labels[""]
        assert {s.frame for s in scan.samples if s.label != "neutral"} == {3, 4, 5}
        assert {s.fold for s in scan.samples} == set(range(1, 11))

    def test_frames_are_ordered_by_number(self, tmp_path: Path) -> None:
        files = images_of(" ".join(f"VL/Strong/P001/Anger/{i}.jpeg" for i in (2, 10, 9, 1)))
        frame = table_of("oulu-casia", files, tmp_path, frames=1).frame
        assert frame.set_index("frame")["label"].to_dict() == {1: "neutral", 10: "anger"}

    def test_another_light_is_another_table(self, tmp_path: Path) -> None:
        table = table_of("oulu-casia", oulu_casia().files, tmp_path, light="Weak", neutral=False)
        assert table.frame["id"].tolist() == ["VL/Weak/P001/Anger/000"]

    def test_a_light_that_is_not_there_is_refused_with_those_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"expected frames in VL/Dark/, found NI/Strong/ .1 frames., VL/Strong/"):
            table_of("oulu-casia", oulu_casia().files, tmp_path, light="Dark")

    def test_originals_and_cropped_faces_are_never_mixed(self, tmp_path: Path) -> None:
        files = {**oulu_casia().files, **images_of("VL_Acropped/Strong/P001/Anger/000.jpeg", first=50)}
        root = pack(files, tmp_path, "folder")
        with pytest.raises(DatasetError, match=r"found both\. Set the option pictures to original or cropped"):
            index_dataset("d", "oulu-casia", root, {})
        cropped = index_dataset("d", "oulu-casia", root, {"pictures": "cropped", "neutral": False})
        assert cropped.frame["id"].tolist() == ["VL_Acropped/Strong/P001/Anger/000"]
        assert len(index_dataset("d", "oulu-casia", root, {"pictures": "original"})) == len(oulu_casia().samples)


def test_a_link_to_a_folder_above_ends_the_walk(tmp_path: Path) -> None:
    root = pack(ck_plus_sequences().files, tmp_path, "folder")
    (root / "cohn-kanade-images" / "S005" / "again").symlink_to(root, target_is_directory=True)
    assert len(index_dataset("d", "ck-plus", root, {})) == len(ck_plus_sequences().samples)
