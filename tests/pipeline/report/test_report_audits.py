"""What an audit found, on the page: symbols at cells, a section, and what counts as unseen."""

from __future__ import annotations

from typing import Any

import pytest
from report_samples import Page, crossed_runs, make_run, score_json

from pipeline.errors import InputError
from pipeline.footnotes import AUDIT_LEGENDS, FLAGGED, MISREAD, DatasetFinding, near_legend
from pipeline.records import Scores
from pipeline.records.files import Advice
from pipeline.records.scores import require_rates
from pipeline.report import Report, ReportContext, ReportRun, build_report
from pipeline.report.formatting import overlap_text
from pipeline.report.groups import group_runs

NEAR = {"pixels": 1, "phash": 2}


def runs(**of_b: Any) -> list[ReportRun]:
    """A head of `a`, scored on `a`, whose images nobody audited, and on `b`: 20 images each."""
    return [make_run([score_json("a", 0.9, seen=True), score_json("b", 0.5, **of_b)], dataset="a")]


def test_a_cell_has_the_share_of_its_images_that_an_audit_found() -> None:
    [group] = group_runs(runs(near_overlap=NEAR))
    own, other = group.cells["a", "a"], group.cells["a", "b"]
    assert (own.near_overlap, other.near_overlap) == (0, 3 / 20)
    assert (overlap_text([own]), overlap_text([other])) == ("", "≈ 15 %")
    assert overlap_text([own, other]) == "≈"


def test_equal_files_and_near_pictures_are_both_shown() -> None:
    [group] = group_runs(runs(near_overlap=NEAR, overlap={"train": 4, "val": 0}))
    assert overlap_text([group.cells["a", "b"]]) == "≡ 20 % ≈ 15 %"


@pytest.mark.parametrize(("n_phash", "is_unseen"), [(7, True), (8, False)])
def test_from_half_of_its_images_on_a_dataset_is_not_unseen(n_phash: int, is_unseen: bool) -> None:
    """2 of 20 by bytes, and 7 or 8 by an audit: 45 % or 50 %."""
    [group] = group_runs(runs(near_overlap={"phash": n_phash}, overlap={"train": 2, "val": 0}))
    assert group.cells["a", "b"].is_unseen == is_unseen


def test_the_page_has_a_section_with_findings_and_counts() -> None:
    findings = [
        DatasetFinding("b", "labels fit the order `affectnet`", MISREAD),
        DatasetFinding("b", "3 people of test are also in train: 9 rows"),
    ]
    report = build_report(
        runs(near_overlap=NEAR, overlap={"train": 4, "val": 0}), [], "now", ReportContext(audits=findings)
    )
    page = Page(report.html)
    assert page.tables["What was found in each dataset"][1:] == [
        ["b", "labels fit the order `affectnet` ‡"],
        ["b", "3 people of test are also in train: 9 rows"],
    ]
    [table] = [rows for caption, rows in page.tables.items() if caption.startswith("Test images that heads were")]
    assert table == [
        ["Trained on", "Tested on", "n", "bytes", "pixels", "phash", "Share, in percent", "Left out"],
        ["a", "b", "20", "4", "1", "2", "35.0", "0"],
    ]
    assert near_legend() in page.text
    assert report.tables["matrix"].query("test == 'b'")["near_overlap"].tolist() == [3]


ORDER_OF_A = DatasetFinding("a", "labels fit the order `affectnet`", MISREAD)
PEOPLE_OF_C = DatasetFinding("c", "3 people of test are also in train: 9 rows", FLAGGED)
COUNTS_OF_B = DatasetFinding("b", "counts differ from those published")


def symbols_of(report: Report) -> dict[tuple[str, str], str]:
    """(train, test) -> the symbols of audits in the matrix by accuracy; the mean is tested on `unseen`."""
    [table] = [rows for caption, rows in Page(report.html).tables.items() if caption.startswith("Accuracy of probe")]
    trains = {row[0]: row[1:] for row in table if row[0] in ("a", "b")}
    return {
        (train, test): "".join(symbol for symbol in (MISREAD, FLAGGED) if symbol in cell)
        for train, cells in trains.items()
        for test, cell in zip(("a", "b", "c", "unseen"), cells, strict=True)
    }


def test_every_cell_that_a_finding_on_a_dataset_touches_has_its_symbol() -> None:
    """Those tested on the dataset, those of a head that was trained on it, and the means over them."""
    report = build_report(crossed_runs(), [], "now", ReportContext(audits=[COUNTS_OF_B, PEOPLE_OF_C, ORDER_OF_A]))
    assert symbols_of(report) == {
        ("a", "a"): "‡", ("a", "b"): "‡", ("a", "c"): "‡§", ("a", "unseen"): "‡§",
        ("b", "a"): "‡", ("b", "b"): "", ("b", "c"): "§", ("b", "unseen"): "‡§",
    }  # fmt: skip
    page = Page(report.html)
    assert all(legend in page.text for legend in AUDIT_LEGENDS.values())
    assert "audit of a: labels fit the order `affectnet`" in report.html
    for name in ("cells", "matrix"):
        audit = report.tables[name].set_index(["train", "test"])["audit"].groupby(level=[0, 1]).first()
        assert audit["b", "b"] == ""
        assert audit["b", "a"] == str(ORDER_OF_A) == "a: labels fit the order `affectnet`"
        assert audit["a", "c"] == f"{PEOPLE_OF_C}; {ORDER_OF_A}"


def test_a_head_that_learned_nothing_of_a_misread_dataset_is_not_marked_with_it() -> None:
    zero_shot = make_run([score_json("a", 0.5, seen=True), score_json("b", 0.5)], dataset="a", method="zero-shot")
    cells = build_report([zero_shot], [], "now", ReportContext(audits=[ORDER_OF_A])).tables["cells"].set_index("test")
    assert cells["audit"].to_dict() == {"a": str(ORDER_OF_A), "b": ""}


def test_only_symbols_on_the_page_have_a_legend() -> None:
    page = Page(build_report(crossed_runs(), [], "now", ReportContext(audits=[COUNTS_OF_B, PEOPLE_OF_C])).html)
    assert AUDIT_LEGENDS[FLAGGED] in page.text
    assert AUDIT_LEGENDS[MISREAD] not in page.text


def test_without_audits_there_is_no_section_and_no_legend() -> None:
    page = Page(build_report(runs(), [], "now").html)
    assert "Audit" not in page.text
    assert near_legend() not in page.text


def test_more_near_pictures_than_images_are_refused() -> None:
    score = score_json("b", 0.45, 0.45, near_overlap={"pixels": 11, "phash": 10})
    with pytest.raises(InputError, match="near_overlap: expected at most n, 20, in all kinds together, found 21"):
        require_rates(Scores.model_validate([score]), "scores.json", Advice("Again"))
