"""fer-stage audit: planted duplicates are all found, once; nothing is decoded twice; exit codes, files and Python."""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from real_files import pack_path

import stages
from pipeline.audit.label_order import LabelOrderFinding
from pipeline.audit.pictures import FingerprintTable
from pipeline.audit.record import AuditInfo, AuditRecord, table_digest
from pipeline.datasets.drawn import draw_face, sample_specs
from pipeline.errors import ChangedImageError, ConfigError, MismatchError
from pipeline.tables.labels import CODE_MAPS
from pipeline.tables.samples import SampleTable, TableInfo
from stages.cli import run
from stages.errors import CheckFailedError, ParamsError
from stages.requests import AuditRequest
from stages.workflows.audit_label_order import earlier_label_orders, right_reading
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
Files = dict[str, bytes]  # split/label/name -> bytes


def picture(seed: int, size: int = 96) -> Image.Image:
    """A smooth picture without any symmetry; every seed has another one."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write(files: Mapping[str, bytes], root: str) -> None:
    for name, data in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def index(dataset: str, files: Mapping[str, bytes]) -> None:
    write(files, f"{dataset}-root")
    assert run(["index", "--dataset", dataset, "--layout", "folder", "--root", f"{dataset}-root", "--quiet"]) == 0


def distinct(first: int = 0, n: int = 6) -> Files:
    """Pictures that are all different, in all three splits."""
    splits = ("train", "val", "test")
    return {f"{splits[i % 3]}/{('fear', 'anger')[i % 2]}/{i}.png": encoded(picture(i)) for i in range(first, first + n)}


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "bytes": encoded,
    "pixels": lambda image: encoded(image, "BMP"),
    "phash": lambda image: encoded(image, "JPEG", quality=95),
}
MORE_COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "smaller": lambda image: encoded(image.resize((48, 48), Image.Resampling.BICUBIC)),
    "shifted": lambda image: encoded(image.crop((1, 0, *image.size))),
    "poor": lambda image: encoded(image, "JPEG", quality=60),
    "brighter": lambda image: encoded(image.point(lambda value: min(255, round(value * 0.8 + 40)))),
}


@pytest.fixture
def two(empty: Path) -> Path:
    """Two datasets without an equal picture."""
    index("one", distinct())
    index("two", distinct(100))
    return empty


def test_different_pictures_are_no_finding(two: Path, fer_stage: FerStage) -> None:
    summary = fer_stage("audit", "one", "two", "--format", "json")
    assert (summary["rows"], summary["decoded"], summary["findings"], summary["pairs"]) == (12, 12, [], 0)
    assert AuditRecord.read(Path("audits/one+two.parquet")).info.kinds.keys() == {"bytes", "pixels", "phash"}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_in_another_dataset_is_found_by_its_kind(two: Path, fer_stage: FerStage, kind: str) -> None:
    index("two", {"test/anger/copy.png": COPIES[kind](picture(0))})  # which is `fear` in one
    error = fer_stage("audit", "one", "two", "--pairs", "pairs.csv", code=3)
    assert "1 across datasets. 1 pairs have labels that contradict each other" in error
    pairs = pd.read_csv("pairs.csv")
    columns = ["kind", "dataset", "split", "label", "path", "other_dataset", "other_split", "other_path", "conflict"]
    copy = ["two", "test", "anger", "test/anger/copy.png"]
    assert pairs[columns].values.tolist() == [[kind, *copy, "one", "train", "train/fear/0.png", True]]


@pytest.mark.parametrize("kind", ["pixels", "phash"])
def test_equal_files_are_found_whatever_kinds_are_named(two: Path, fer_stage: FerStage, kind: str) -> None:
    """They are one picture for all other kinds, which compare each picture with others."""
    index("two", {"test/fear/copy.png": encoded(picture(0))})
    assert "1 across datasets" in fer_stage("audit", "one", "two", "--kinds", kind, code=3)
    assert list(AuditRecord.read(Path("audits/one+two.parquet")).info.kinds) == ["bytes", kind]


@pytest.mark.parametrize("seed", range(4))
def test_all_planted_copies_are_found_and_nothing_else(empty: Path, seed: int) -> None:
    """Copies of random kinds at random places, some of one original: every pair is of two of its copies."""
    rng = np.random.default_rng(seed)
    kinds = {**COPIES, **MORE_COPIES}
    files: dict[str, Files] = {"one": distinct(1000 * seed, 9), "two": distinct(1000 * seed + 500, 9)}
    originals = [1000 * seed + int(i) for i in rng.choice(9, 4, replace=False)]
    family = {f"one {name}": int(Path(name).stem) for name in files["one"]}
    family |= {f"two {name}": int(Path(name).stem) for name in files["two"]}
    for number in range(10):
        dataset, split = str(rng.choice(["one", "two"])), str(rng.choice(["train", "val", "test"]))
        original = int(rng.choice(originals))
        name = f"{split}/fear/copy-{number}.png"
        files[dataset][name] = kinds[str(rng.choice(list(kinds)))](picture(original))
        family[f"{dataset} {name}"] = original
    for dataset, of_dataset in files.items():
        index(dataset, of_dataset)
    result = stages.audit(["one", "two"], max_bits=10)
    linked = pd.DataFrame(
        {
            "a": [family[f"{d} {p}"] for d, p in zip(result.pairs["dataset"], result.pairs["path"], strict=True)],
            "b": [
                family[f"{d} {p}"]
                for d, p in zip(result.pairs["other_dataset"], result.pairs["other_path"], strict=True)
            ],
        }
    )
    assert (linked["a"] == linked["b"]).all()
    in_pairs = {f"{one.dataset} {one.path}" for one in result.pairs.itertuples()}
    in_pairs |= {f"{one.other_dataset} {one.other_path}" for one in result.pairs.itertuples()}
    assert in_pairs == {name for name, of in family.items() if list(family.values()).count(of) > 1}


@pytest.mark.real_data
def test_two_copies_of_the_real_pack_are_found_by_pixels_and_by_hash(empty: Path, fer_stage: FerStage) -> None:
    """The first 300 pictures of FER2013: as PNG, re-encoded as BMP, and as JPEG of quality 95."""
    n, copies = 300, {"png": ("PNG", {}), "bmp": ("BMP", {}), "jpeg": ("JPEG", {"quality": 95})}
    files: dict[str, Files] = {name: {} for name in copies}
    with tarfile.open(pack_path("fer2013.tar.gz")) as pack:
        for member in pack:
            if len(files["png"]) == n:
                break
            if member.name.endswith(".png"):
                data = pack.extractfile(member)
                assert data is not None
                image = Image.open(io.BytesIO(data.read())).convert("L")
                for name, (kind, options) in copies.items():
                    files[name][f"train/fear/{Path(member.name).stem}.{name}"] = encoded(image, kind, **options)
    for name, of_copy in files.items():
        index(name, of_copy)
    for copy, kind in (("bmp", "pixels"), ("jpeg", "phash")):
        pairs = stages.audit(["png", copy], threads=1).pairs
        across = pairs[pairs["dataset"] != pairs["other_dataset"]]
        assert set(across["kind"]) == {kind}
        named = [*zip(across["dataset"], across["id"], strict=True)]
        named += zip(across["other_dataset"], across["other_id"], strict=True)
        assert {of for of, _ in named} == {"png", copy}
        assert len(set(named)) == 2 * n


@pytest.mark.real_data
def test_ferplus_has_the_known_duplicates(empty: Path) -> None:
    """Figures of docs/audit.md, by bytes: 257 of 3,136 test pictures are train pictures, too."""
    root = pack_path("fer2013.tar.gz")
    assert run(["index", "--dataset", "ferplus", "--root", str(root), "--quiet"]) == 0
    result = stages.audit("ferplus", kinds=["bytes"])
    frame = result.frame.set_index(["split", "other_split"])
    assert frame["pictures"].to_dict() == {
        ("train", "train"): 1966,
        ("val", "train"): 248,
        ("test", "train"): 257,
        ("val", "val"): 50,
        ("test", "val"): 41,
        ("test", "test"): 29,
    }
    assert frame["conflicts"].sum() == 0
    assert result.published["ferplus"].status == "equal"
    assert any(note.startswith("ferplus: counts equal those published of") for note in result.notes)


def test_a_second_audit_reads_no_picture(two: Path, fer_stage: FerStage) -> None:
    first = stages.audit(["one", "two"])
    for path in Path("one-root").rglob("*.png"):
        path.unlink()
    second = stages.audit(["one", "two"])
    assert (first.counts["decoded"], second.counts["decoded"]) == (12, 0)
    assert stages.audit("one", max_bits=16).counts["decoded"] == 0


def test_fingerprints_of_another_decoder_are_not_used(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages.audit("one")
    monkeypatch.setattr("pipeline.audit.pictures.FINGERPRINT_VERSION", 0)
    assert stages.audit("one").counts["decoded"] == 6


def test_a_damaged_file_of_fingerprints_is_replaced(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages.audit("one")
    path = Path("tables/one.pixels.parquet")
    path.write_bytes(b"no table")
    assert stages.audit("one").counts["decoded"] == 6
    assert f"{path} cannot be used" in capsys.readouterr().err
    assert len(FingerprintTable.read(path)) == 6


def test_after_ctrl_c_it_resumes(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index("one", distinct(200, 60))

    def stop(step: Any) -> None:
        if step.done == 40:
            raise KeyboardInterrupt

    from stages.requests import AuditRequest
    from stages.workflows.audit import audit

    with pytest.raises(KeyboardInterrupt):
        audit(AuditRequest("one", threads=1), stop)
    assert len(FingerprintTable.read(Path("tables/one.pixels.parquet"))) == 40
    assert not Path("audits").exists()
    assert stages.audit("one").counts["decoded"] == 26


def test_a_picture_that_changed_since_it_was_indexed_names_the_command(two: Path) -> None:
    Path("one-root/train/fear/0.png").write_bytes(encoded(picture(99)))
    with pytest.raises(ChangedImageError) as error:
        stages.audit("one")
    assert error.value.remedy[0][0] == "index"
    assert stages.audit("one", kinds="bytes").counts["decoded"] == 0


def test_a_damaged_and_a_flat_picture_are_counted(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = encoded(Image.new("RGB", (40, 40), (90, 90, 90)))
    also_flat = encoded(Image.new("RGB", (50, 50), (80, 90, 90)))
    index("one", {"train/fear/flat.png": flat, "train/fear/flat-2.png": also_flat, "val/fear/bad.png": flat[:60]})
    index("two", {"test/fear/bad.png": flat[:60]})
    result = stages.audit(["one", "two"])
    assert {name: result.counts[name] for name in ("undecodable", "flat")} == {"undecodable": 1, "flat": 2}
    assert result.frame[["kind", "dataset", "split", "pictures"]].values.tolist() == [["bytes", "two", "test", 1]]
    assert len(result.notes) == 2


def test_a_dry_run_writes_nothing(two: Path, fer_stage: FerStage) -> None:
    before = sorted(Path().rglob("*"))
    fer_stage("audit", "one", "--dry-run", "--pairs", "pairs.csv", "--contact-sheet", "sheet.png")
    assert sorted(Path().rglob("*")) == before


def test_the_formats_hold_the_same_findings(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index("two", {"test/anger/copy.png": encoded(picture(0))})

    def out(output_format: str) -> str:
        assert run(["audit", "one", "two", "--format", output_format]) == 3
        return capsys.readouterr().out

    capsys.readouterr()
    (finding,) = json.loads(out("json"))["findings"]
    assert (finding["kind"], finding["where"], finding["pictures"]) == ("bytes", "across datasets", 1)
    assert pd.read_csv(io.StringIO(out("csv"))).to_dict("records") == [finding]
    assert "two test  one train" in out("table")


def test_pairs_are_written_and_drawn(two: Path, fer_stage: FerStage) -> None:
    index("two", {f"test/anger/{kind}.png": copy(picture(0)) for kind, copy in COPIES.items()})
    message = fer_stage("audit", "one", "two", "--pairs", "pairs.parquet", "--contact-sheet", "look.png", code=3)
    pairs = pd.read_parquet("pairs.parquet")
    pd.testing.assert_frame_equal(pairs, stages.audit(["one", "two"]).pairs)
    assert f"look.png: {len(pairs)} of {len(pairs)} pairs" in message
    with Image.open("look.png") as sheet:
        assert sheet.size == (min(6, len(pairs)) * 236, 166)
    error = fer_stage("audit", "one", "--pairs", "pairs.txt", code=2)
    assert "--pairs: expected a name that ends with .csv or .parquet" in error.replace("`", "")


def test_the_sheet_of_nothing_is_a_picture(two: Path, fer_stage: FerStage) -> None:
    fer_stage("audit", "one", "--contact-sheet", "look.png")
    with Image.open("look.png") as sheet:
        sheet.verify()


def test_wrong_requests_say_what_to_do(two: Path, fer_stage: FerStage) -> None:
    assert "Run `fer-stage index --dataset nowhere" in fer_stage("audit", "nowhere", code=1)
    assert "expected names among bytes, pixels, phash, features, found 'hash'" in fer_stage(
        "audit", "one", "--kinds", "bytes,hash", code=2
    )
    assert "each once" in fer_stage("audit", "one", "one", code=2)
    assert "Missing argument" in fer_stage("audit", code=2)
    assert "add features to --kinds, or --zero-shot" in fer_stage("audit", "one", "--encoder", "mini", code=2)
    assert "exclude each other" in fer_stage("audit", "one", "--zero-shot", "--run", "default", code=2)
    with pytest.raises(ParamsError, match="each once"):
        stages.audit([])


def test_too_many_pairs_name_the_threshold(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.audit.near_pairs.MAX_PAIRS", 1)
    index("two", {f"test/anger/{name}.png": copy(picture(0)) for name, copy in MORE_COPIES.items()})
    with pytest.raises(ConfigError, match="Lower max_bits"):
        stages.audit("two", max_bits=16)


def test_people_and_clips_in_two_splits_are_findings(empty: Path, fer_stage: FerStage) -> None:
    files = distinct()
    write(files, "people-root/images")
    rows = [
        f"images/{name},fear,{name.split('/')[0]},{'x' if i in (0, 2) else f'p{i}'},{'c' if i in (1, 4) else f'c{i}'}"
        for i, name in enumerate(files)
    ]
    Path("people-root/labels.csv").write_text("\n".join(["path,label,split,subject,clip", *rows]))
    assert run(["index", "--dataset", "people", "--layout", "csv", "--root", "people-root", "--quiet"]) == 0
    error = fer_stage("audit", "people", code=3)
    assert "1 people are in two splits" in error
    record = AuditRecord.read(Path("audits/people.parquet"))
    assert record.info.notes == {"people": ("1 people of test are also in train: 1 rows",)}


def test_a_crop_equals_what_its_box_cuts_out_of_the_whole_picture(empty: Path) -> None:
    scene = picture(0, 200)
    write({"scene.png": encoded(scene)}, "scenes-root")
    rows = ["scene.png,fear,train,10,20,96,96", "scene.png,anger,train,100,60,80,90"]
    Path("scenes-root/labels.csv").write_text("\n".join(["path,label,split,x,y,w,h", *rows]))
    assert run(["index", "--dataset", "scenes", "--layout", "csv", "--root", "scenes-root", "--quiet"]) == 0
    index("two", distinct(100) | {"test/fear/crop.png": encoded(scene.crop((10, 20, 106, 116)))})
    result = stages.audit(["scenes", "two"])
    (pair,) = result.pairs.to_dict("records")
    assert (pair["kind"], pair["path"], pair["other_path"]) == ("pixels", "test/fear/crop.png", "scene.png")
    assert (pair["label"], pair["other_label"]) == ("fear", "fear")


def test_features_find_what_hashes_do_not(two: Path, fer_stage: FerStage) -> None:
    index("two", {"test/fear/mirrored.png": encoded(picture(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT))})
    for dataset in ("one", "two"):
        fer_stage("extract", "--dataset", dataset, "--encoder", "untrained", "--decoders", "1")
    assert not stages.audit(["one", "two"]).findings
    kinds = ["features", "bytes", "pixels", "phash"]
    result = stages.audit(["one", "two"], kinds=kinds, encoder="untrained", min_cosine=0.0)
    features = result.pairs[result.pairs["kind"] == "features"]
    assert len(features) == 13 * 12 / 2  # a threshold that is none
    assert list(result.record.info.kinds) == ["bytes", "pixels", "phash", "features"]
    error = fer_stage("audit", "one", "two", "--kinds", "features", "--encoder", "mini", code=1)
    assert "Run `fer-stage extract --dataset one --encoder mini" in error


def test_the_record_states_the_tables_and_what_equals_what(two: Path) -> None:
    index("two", {f"test/anger/{kind}.png": copy(picture(0)) for kind, copy in COPIES.items()})
    result = stages.audit(["one", "two"])
    record = AuditRecord.read(Path("audits/one+two.parquet"))
    tables = {name: SampleTable.read(Path(f"tables/{name}.parquet")) for name in ("one", "two")}
    assert record.tables == {name: table_digest(table) for name, table in tables.items()}
    frame = tables["two"].frame
    copies = frame["sha256"][frame["path"].isin([f"test/anger/{kind}.png" for kind in COPIES])].tolist()
    train = tables["one"].frame["sha256"][tables["one"].frame["split"] == "train"].tolist()
    masks = record.equal_rows(copies, train)
    assert {kind: int(mask.sum()) for kind, mask in masks.items()} == {"bytes": 1, "pixels": 1, "phash": 1}
    assert result.record.outdated(record.tables) == ()


def test_python_raises_when_it_is_told_to_check(two: Path) -> None:
    index("two", {"test/anger/copy.png": encoded(picture(0))})
    result = stages.audit(["one", "two"])
    with pytest.raises(CheckFailedError, match="1 across datasets"):
        result.check()
    assert "<table" in result._repr_html_()
    assert stages.audit("one").frame.columns.tolist() == result.frame.columns.tolist()


def write_by_code(root: Path) -> None:
    """Drawn faces in folders 0 to 6, named by AffectNet's codes."""
    code_of = {label: code for code, label in CODE_MAPS["affectnet"].items()}
    for number, face in enumerate(sample_specs("sample-b", 210, 5)):
        path = root / "train" / str(code_of[face.label]) / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_face(face, "sample-b")).save(path)


def check_that_the_finding_is_kept_until_the_table_changes(
    fer_stage: FerStage, finding: str, remedy: list[str]
) -> None:
    """Audits that do not ask for the order of labels, or get no answer, do not lose it; the remedy ends it."""

    def recorded() -> tuple[str, ...]:
        return AuditRecord.read_info(Path("audits/wrong.parquet")).notes.get("wrong", ())

    assert recorded() == (finding,)  # the head that was asked could not judge it
    error = fer_stage("audit", "wrong", "--kinds", "bytes", code=3)
    assert f"{finding}: by an earlier audit of the same table; --zero-shot or --run judges it again" in error
    assert recorded() == (finding,)
    assert stages.audit("wrong", kinds="bytes").summary()["kept_label_order"] == {"wrong": finding}
    fer_stage(*remedy, "--quiet")
    result = stages.audit("wrong", kinds="bytes")
    result.check()
    assert (recorded(), result.kept_label_order, result.record.info.label_order) == ((), {}, {})


@pytest.mark.parametrize(
    ("layout", "order", "is_known", "has_command"),
    [
        ("folder", "affectnet", True, True),
        ("folder", "mafw", True, False),  # an order in use, and no preset
        ("folder", "affectnet", False, False),  # the labels were names
        ("affectnet", "alphabetical-8", True, True),
        ("affectnet", "raf-db", True, False),  # a preset of other layouts
        ("raf-db", "affectnet", True, False),  # which has no option for it
    ],
)
def test_the_command_that_reads_labels_rightly_is_named_where_the_layout_has_the_preset(
    layout: str, order: str, is_known: bool, has_command: bool
) -> None:
    info = TableInfo("my", layout, "faces", ("anger", "fear"))
    found = LabelOrderFinding(99, (), 0.1, 0.6, order, "x", is_known, {"anger": "fear", "fear": "anger"})
    request = AuditRequest(("my",), tables=Path("there"), params=Path("other.yaml"))
    command = f"fer-stage index --dataset my --option 'codes=\"{order}\"' --tables there --params other.yaml"
    assert right_reading("my", info, found, request) == (command if has_command else "")


def test_a_dataset_whose_labels_were_judged_again_keeps_no_earlier_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one+two+three.parquet"
    info = AuditInfo(
        {"one": "1", "two": "2", "three": "3"}, {}, label_order=dict.fromkeys(("one", "two", "three"), "x")
    )
    write_table(AuditRecord.of([], [], info), path)  # type: ignore[arg-type]  # it is written as any table
    judged, open_ = LabelOrderFinding(100, (), 0.5), LabelOrderFinding(0, (), 0.0, not_judged="no features")
    digests = {"one": "1", "two": "2", "three": "changed"}
    assert earlier_label_orders(path, digests, {}) == {"one": "x", "two": "x"}
    assert earlier_label_orders(path, digests, {"one": judged, "two": open_}) == {"two": "x"}
    assert earlier_label_orders(tmp_path / "none.parquet", digests, {}) == {}
    path.write_bytes(b"damaged")
    assert earlier_label_orders(path, digests, {}) == {}
    assert f"{path}: the earlier record cannot be read, and what it states of label order" in capsys.readouterr().err


def test_labels_that_were_read_by_the_wrong_codes_are_a_finding(empty: Path, fer_stage: FerStage) -> None:
    write_by_code(Path("faces-root"))
    read = ("--layout", "folder", "--root", "faces-root", "--quiet", "--option")
    fer_stage("index", "--dataset", "wrong", *read, "codes=alphabetical-8")
    fer_stage("index", "--dataset", "right", *read, "codes=affectnet")
    for dataset in ("wrong", "right"):
        fer_stage("extract", "--dataset", dataset, "--encoder", "mini", "--decoders", "1")
    assert "Run `fer-stage encode-text --encoder mini" in fer_stage(
        "audit", "wrong", "--kinds", "bytes", "--zero-shot", "--encoder", "mini", code=1
    )
    fer_stage("encode-text", "--encoder", "mini")
    error = fer_stage("audit", "wrong", "--kinds", "bytes", "--zero-shot", "--encoder", "mini", code=3)
    assert "labels fit the order `affectnet` (they were read by `alphabetical-8`)" in error
    (note,) = AuditRecord.read_info(Path("audits/wrong.parquet")).notes["wrong"]
    assert note.startswith("labels fit the order `affectnet`")
    [remedy] = [
        line.split("`")[1] for line in error.splitlines() if "reads its labels by the order `affectnet`" in line
    ]
    assert shlex.split(remedy)[1:] == [
        "index", "--dataset", "wrong", "--layout", "folder", "--root", "faces-root", "--option", 'codes="affectnet"',
    ]  # fmt: skip
    result = stages.audit("right", kinds="bytes", zero_shot=True, encoder="mini")
    assert not result.label_order["right"].is_suspicious
    assert result.summary()["label_order"]["right"]["text"].startswith("labels fit their own order")
    result.check()
    fer_stage("train", "--method", "linear-probe", "--dataset", "right", "--encoder", "mini")
    by_head = stages.audit("wrong", kinds="bytes", run="runs/mini/linear-probe/right/seed-0").label_order["wrong"]
    assert "images of right, which the head was trained on" in by_head.not_judged
    check_that_the_finding_is_kept_until_the_table_changes(fer_stage, note, shlex.split(remedy)[1:])
    with pytest.raises(MismatchError, match="another encoder than the head's") as caught:
        stages.audit("wrong", kinds="bytes", run="default")  # which takes aligned faces
    assert "{" not in str(caught.value)
    assert [command for command, _ in caught.value.remedy] == ["align", "extract"]
    assert caught.value.remedy[1][1]["faces"] == "aligned"
