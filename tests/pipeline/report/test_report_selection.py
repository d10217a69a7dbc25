"""A report is of one split and of the heads that the runs have; what is left out is counted."""

from __future__ import annotations

from report_samples import Page, make_run, make_store, score_json

from pipeline.footnotes import overlap_legend
from pipeline.report import ReportContext, ReportRun, build_report
from pipeline.report.runs import select_scores


def page(*runs: ReportRun) -> Page:
    return Page(build_report(runs, [], "today").html)


def test_validation_scores_are_left_out_beside_test_scores_and_counted() -> None:
    runs = [make_run([score_json("b", 0.5), score_json("b", 0.9, split="val"), score_json("c", 0.9, split="val")])]
    report = build_report(runs, [], "today")
    assert set(report.tables["cells"]["split"]) == {"test"}
    left_out = "Left out: 2 scores on the val split, of 1 run. This report is of the test split alone."
    assert report.notes[0] == left_out
    assert left_out in Page(report.html).text


def test_a_page_of_validation_scores_says_so_and_nothing_of_test_images() -> None:
    text = " ".join(page(make_run([score_json("b", 0.5, split="val")])).text.split())
    assert "scored on the validation images of every dataset" in text
    assert "These are no test scores." in text
    assert "scored on the test" not in text
    assert "No test image was used" not in text


def test_scores_of_another_head_are_named_and_never_shown() -> None:
    stale = [score_json("b", 0.9, head_sha256="other"), score_json("d", 0.9, run_key="other")]
    run = make_run([*stale, score_json("c", 0.5)], [], "runs/scores/x/scores.json")
    selection = select_scores([run], "fer-stage evaluate --run runs")
    assert [score.dataset for score in selection.runs[0].scores] == ["c"]
    (text,) = selection.left_out
    assert text.startswith(
        "Left out: 2 scores of other heads than those of the runs, or by another version of evaluate, "
        "in runs/scores/x/scores.json."
    )
    assert text.endswith("Score the heads again: fer-stage evaluate --run runs")
    read = page(run)
    assert text.removesuffix(": fer-stage evaluate --run runs") in read.text
    assert "90.0" not in read.text


def test_a_score_with_overlapping_images_has_its_share_wherever_it_is() -> None:
    """20 images: 2 are 10 %. Seen or unseen, of one cell or in a mean."""
    scores = [score_json("b", 0.5, overlap={"train": 1, "val": 1}), score_json("c", 0.7, overlap=None)]
    read = page(make_run([*scores, score_json("d", 0.6)]))
    assert read.matrix("Accuracy of probe on mini")[1][1:] == [
        "50.0 ≡ 10 %", "70.0 ≡ ?", "60.0", "60.0 ≡"
    ]  # fmt: skip
    assert [row[1] for row in read.tables["Every score, in percent"][1:]] == ["b ≡ 10 %", "c ≡ ?", "d"]
    assert overlap_legend() in read.text


def test_no_legend_of_overlap_without_any() -> None:
    assert overlap_legend() not in page(make_run([score_json("b", 0.5)])).text


def test_the_error_of_a_perfect_head_is_beside_the_calibration_error() -> None:
    read = page(make_run([score_json("b", 0.5, ece_expected=0.022), score_json("c", 0.5)]))
    assert [row[9] for row in read.tables["Every score, in percent"][1:]] == ["12.5 (perfect head: 2.2)", "12.5"]


def test_features_of_another_precision_than_those_trained_on_are_noted() -> None:
    run = make_run([score_json("b", 0.5, dtype="float32")])
    notes = build_report([run], [], "today").notes
    assert "probe on mini, trained on a (float16), was scored on float32 features of b." in notes


def test_scores_of_other_features_than_the_store_has_now_are_noted() -> None:
    runs = [make_run([score_json("a", 0.5, seen=True), score_json("b", 0.5)])]
    stores = [make_store(), make_store(dataset="b", key="ef" * 32)]
    notes = build_report(runs, stores, "today", ReportContext(evaluate_command="fer-stage evaluate --run runs")).notes
    assert [note for note in notes if "other features" in note] == [
        "1 of 1 scores on b are of other features than the store of mini has now. "
        "Score the heads again: fer-stage evaluate --run runs"
    ]
