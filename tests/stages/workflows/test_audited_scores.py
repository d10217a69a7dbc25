"""What an audit found reaches every score that it touches: counted, flagged, left out where that is asked for."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stages
from pipeline.audit.record import AuditInfo, AuditRecord, record_name, table_digest
from pipeline.errors import TableError
from pipeline.footnotes import AUDIT_LEGENDS, near_legend
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.workflows.audit_records import AuditRecords
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")
SCORES = Path("runs/scores/untrained/feature-mask/sample-a/seed-0/scores.json")
EVALUATE = ("evaluate", "--run", str(RUN), "--dataset", "copy")
N_PIXELS, N_NEAR = 3, 2


def make_copy(fer_stage: FerStage) -> tuple[list[str], list[str]]:
    """The dataset `copy`: sample-e, whose first five test pictures are train pictures of sample-a in files of other
    bytes. The sha256 of these five, and of their originals."""
    a, e = (SampleTable.read(Path(f"tables/sample-{name}.parquet")) for name in "ae")
    shutil.copytree("data/sample-e", "data/copy")
    shutil.rmtree("data/copy/.fer-stage", ignore_errors=True)
    known = a.frame[a.frame["split"] == "train"].head(N_PIXELS + N_NEAR)
    test = e.frame[e.frame["split"] == "test"].head(N_PIXELS + N_NEAR)
    for original, path in zip(known["path"], test["path"], strict=True):
        with Image.open(Path("data/sample-a", original)) as picture:
            picture.save(Path("data/copy", path), compress_level=1)
    params = Path("params.yaml")
    params.write_text(
        params.read_text().replace("datasets:\n", "datasets:\n  copy: {layout: folder, root: data/plain}\n", 1)
    )
    for path, label, split in zip(e.frame["path"], e.frame["label"], e.frame["split"], strict=True):
        target = Path("data/plain", split, label, Path(path).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("data/copy", path), target)
    fer_stage("extract", "--dataset", "copy", "--decoders", "1", "--quiet")
    copied = SampleTable.read(Path("tables/copy.parquet")).frame
    names = [Path(path).name for path in test["path"]]
    by_name = dict(zip((Path(path).name for path in copied["path"]), copied["sha256"], strict=True))
    return [by_name[name] for name in names], known["sha256"].tolist()


def write_audit(
    copies: list[str],
    originals: list[str],
    notes: dict[str, tuple[str, ...]] | None = None,
    label_order: dict[str, str] | None = None,
    flags: dict[str, tuple[str, ...]] | None = None,
) -> Path:
    """Three pictures that are in two files each, and two pairs of pictures whose hashes are near."""
    n = len(copies)
    pictures = [(sha, i) for i, sha in enumerate(originals)]
    pictures += [(sha, i if i < N_PIXELS else n + i) for i, sha in enumerate(copies)]
    pairs = [(i, n + i, "phash", 2.0) for i in range(N_PIXELS, n)]
    datasets = ("sample-a", "copy")
    tables = {name: table_digest(SampleTable.read(Path(f"tables/{name}.parquet"))) for name in datasets}
    info = AuditInfo(tables, {"pixels": {}, "phash": {"threshold": 4}}, notes or {}, label_order or {}, flags or {})
    path = Path("audits", f"{record_name(datasets)}.parquet")
    path.parent.mkdir(exist_ok=True)
    write_table(AuditRecord.of(pictures, pairs, info), path)  # type: ignore[arg-type]  # it is written as any table
    return path


@pytest.fixture
def copy(project: Path, fer_stage: FerStage) -> tuple[list[str], list[str]]:
    return make_copy(fer_stage)


def test_without_an_audit_scores_are_as_they_always_were(copy: Any, fer_stage: FerStage) -> None:
    [score] = fer_stage(*EVALUATE, "--format", "json")
    assert score["overlap"] == {"train": 0, "val": 0}
    assert {"near_overlap", "excluded_kinds"}.isdisjoint(score)
    [written] = [entry for entry in json.loads(SCORES.read_text()) if entry["dataset"] == "copy"]
    assert {"near_overlap", "excluded_kinds"}.isdisjoint(written)


def test_rows_that_an_audit_found_in_the_train_split_are_counted_by_kind(
    copy: tuple[list[str], list[str]], fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    fer_stage(*EVALUATE)
    write_audit(*copy)
    [score] = fer_stage(*EVALUATE, "--format", "json")
    assert score["overlap"] == {"train": 0, "val": 0}
    assert score["near_overlap"] == {"pixels": 3, "phash": 2}
    assert score["seen"] is True  # 5 of 10 test pictures are pictures of the train dataset
    assert run(list(EVALUATE)) == 0
    out, err = capsys.readouterr()
    assert "3 pixels ≈ 30 %, 2 phash ≈ 20 %" in out
    assert near_legend() in err
    [frame] = [stages.evaluate(RUN, datasets="copy").frame]
    assert frame["near_overlap"].tolist() == [5]
    assert fer_stage(*EVALUATE, "--format", "csv").splitlines()[1].count(",5,") >= 1


def test_excluding_overlap_leaves_out_what_the_audit_found_and_names_the_kinds(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    write_audit(*copy)
    [whole] = fer_stage(*EVALUATE, "--format", "json")
    [score] = fer_stage(*EVALUATE, "--exclude-overlap", "--format", "json")
    assert (score["n"], score["excluded_overlap"]) == (whole["n"] - 5, 5)
    assert score["excluded_kinds"] == ["bytes", "pixels", "phash"]
    assert score["near_overlap"] == {"pixels": 0, "phash": 0}
    assert score["rows"] != whole["rows"]
    assert (score["seen"], whole["seen"]) == (False, True)
    kept = [entry["excluded_overlap"] for entry in json.loads(SCORES.read_text()) if entry["dataset"] == "copy"]
    assert sorted(kept) == [0, 5]


def test_a_score_is_up_to_date_only_with_the_audit_that_it_was_made_with(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    def n_new() -> int:
        return sum(each.n_new for each in stages.evaluate(RUN, datasets="copy").runs)

    assert (n_new(), n_new()) == (1, 0)
    audit = write_audit(*copy)
    assert (n_new(), n_new()) == (1, 0)
    audit.unlink()
    assert (n_new(), n_new()) == (1, 0)


def test_scored_images_that_the_audited_table_lacks_are_named(
    copy: tuple[list[str], list[str]], fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store is of an earlier table than the audit: near-duplicates of its other images are not known."""
    path = Path("tables/copy.parquet")
    table = SampleTable.read(path)
    first = table.frame.index[table.frame["split"] == "test"][0]
    write_audit(*copy)
    assert run(list(EVALUATE)) == 0
    assert "not in its table" not in capsys.readouterr().err
    write_table(SampleTable(table.frame.drop(index=first).reset_index(drop=True), table.info), path)
    write_audit(*copy)
    assert run(list(EVALUATE)) == 0
    assert "copy: 1 images that heads were trained or scored on are not in its table" in capsys.readouterr().err


def test_an_audit_of_other_tables_is_not_used_and_named(
    copy: tuple[list[str], list[str]], fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    write_audit(*copy)
    table = SampleTable.read(Path("tables/copy.parquet"))
    path = Path("data/plain", table.frame["path"].iloc[0])
    with Image.open(path) as picture:
        changed = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed.save(path)
    fer_stage("index", "--dataset", "copy", "--quiet")
    fer_stage("extract", "--dataset", "copy", "--decoders", "1", "--quiet")
    result = stages.evaluate(RUN, datasets="copy")
    assert result.runs[0].entries[0].near_overlap is None
    assert any(
        note.startswith("audits/sample-a+copy.parquet: not used: copy changed since it was made")
        for note in result.notes
    )
    Path("audits/sample-a+copy.parquet").rename("audits/copy+sample-a.parquet")  # an audit in the other order
    write_audit(*copy)
    result = stages.evaluate(RUN, datasets="copy")
    assert result.runs[0].entries[0].near_overlap is not None
    assert not any("not used" in note for note in result.notes)


def test_an_audit_whose_tables_are_not_here_is_used_and_named(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    write_audit(*copy)
    Path("tables/sample-a.parquet").rename("sample-a.parquet")
    result = stages.evaluate(RUN, datasets="copy")
    assert result.runs[0].entries[0].near_overlap == {"pixels": 3, "phash": 2}
    assert any("there is no table of sample-a in tables" in note for note in result.notes)


def test_a_head_that_learned_nothing_knows_no_picture(copy: tuple[list[str], list[str]], fer_stage: FerStage) -> None:
    write_audit(*copy)
    fer_stage("train", "--method", "zero-shot", "--dataset", "sample-a")
    [score] = stages.evaluate("runs/untrained/zero-shot", datasets="copy").scores
    assert ("near_overlap" in score, score["seen"]) == (False, False)


def test_the_report_flags_cells_and_lists_findings(copy: tuple[list[str], list[str]], fer_stage: FerStage) -> None:
    write_audit(
        *copy, notes={"copy": ("3 pictures have other labels in sample-a",), "elsewhere": ("a finding of another",)}
    )
    assert stages.evaluate(RUN, datasets="copy").notes[-1] == "audit of copy: 3 pictures have other labels in sample-a"
    fer_stage("report")
    page = Path("reports/index.html").read_text()
    assert "≈ 50 %" in page
    assert near_legend() in page
    assert '<section id="audit"' in page
    assert "3 pictures have other labels in sample-a" in page
    assert "Audits have findings in copy: see the section Audit." in page
    assert "a finding of another" not in page
    table = stages.report(dry_run=True).frame
    assert table[table["test"] == "copy"]["near_overlap"].tolist() == [5]


ORDER = "labels fit the order `affectnet` (they were read by `alphabetical-8`): agreement 0.61 against 0.14"
PEOPLE = "3 people of test are also in train: 9 rows"
COUNTS = "counts differ from those published"


def write_findings(copy: tuple[list[str], list[str]]) -> None:
    """The labels of `sample-a`, which the head is trained on, are in another order; people of `copy` are in two."""
    write_audit(
        *copy,
        notes={"sample-a": (ORDER, COUNTS), "copy": (PEOPLE,)},
        label_order={"sample-a": ORDER},
        flags={"copy": (PEOPLE,)},
    )


def test_findings_on_the_datasets_of_a_score_are_with_it_in_every_format(
    copy: tuple[list[str], list[str]], fer_stage: FerStage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the head was trained on the misread dataset, and scored on another one; counts are a note alone."""
    [score] = fer_stage(*EVALUATE, "--format", "json")
    assert score["audit"] == []
    write_findings(copy)
    [score] = fer_stage(*EVALUATE, "--format", "json")
    assert score["audit"] == [f"copy: {PEOPLE}", f"sample-a: {ORDER}"]
    [row] = csv.DictReader(fer_stage(*EVALUATE, "--format", "csv").splitlines())
    assert row["audit"] == f"copy: {PEOPLE}; sample-a: {ORDER}"
    assert row["dataset"] == "copy"
    assert stages.evaluate(RUN, datasets="copy").frame["audit"].tolist() == [row["audit"]]
    assert run(list(EVALUATE)) == 0
    out, err = capsys.readouterr()
    assert "copy ‡ §" in out
    assert all(legend in err for legend in AUDIT_LEGENDS.values())
    assert "audit" not in json.loads(SCORES.read_text())[0]


def test_a_head_that_learned_nothing_has_no_finding_on_the_dataset_of_its_name(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    write_findings(copy)
    fer_stage("train", "--method", "zero-shot", "--dataset", "sample-a")
    [score] = stages.evaluate("runs/untrained/zero-shot", datasets="copy").scores
    assert score["audit"] == [f"copy: {PEOPLE}"]


def test_the_report_marks_the_cells_of_heads_that_were_trained_on_a_misread_dataset(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    write_findings(copy)
    fer_stage(*EVALUATE)
    cells = stages.report(dry_run=True).frame.groupby(["train", "test"])["audit"].first()
    assert cells["sample-a", "copy"] == f"copy: {PEOPLE}; sample-a: {ORDER}"
    assert {audit for (train, _), audit in cells.items() if train == "sample-a"} >= {f"sample-a: {ORDER}"}


def test_a_report_without_audits_has_no_section(project: Path, fer_stage: FerStage) -> None:
    fer_stage("report")
    assert 'id="audit"' not in Path("reports/index.html").read_text()


def test_a_damaged_audit_is_an_error_that_names_the_file(
    copy: tuple[list[str], list[str]], fer_stage: FerStage
) -> None:
    path = write_audit(*copy)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(TableError, match=r"sample-a\+copy.parquet"):
        AuditRecords(path.parent).covering("copy")
