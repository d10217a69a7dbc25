"""What an audit found, on the page: symbols at cells, a section, and what counts as unseen."""

from __future__ import annotations

from typing import Any

import pytest
from report_samples import Page, make_run, score_json

from pipeline.errors import InputError
from pipeline.footnotes import NEAR_LEGEND
from pipeline.records import Scores
from pipeline.records.files import Advice
from pipeline.records.scores import require_rates
from pipeline.report import ReportRun, build_report
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
    findings = [("b", "labels fit the order `affectnet`"), ("b", "3 people of test are also in train: 9 rows")]
    report = build_report(runs(near_overlap=NEAR, overlap={"train": 4, "val": 0}), [], "now", audits=findings)
    page = Page(report.html)
    assert page.tables["What was found in each dataset"][1:] == [list(finding) for finding in findings]
    [table] = [rows for caption, rows in page.tables.items() if caption.startswith("Test images that heads were")]
    assert table == [
        ["Trained on", "Tested on", "n", "bytes", "pixels", "phash", "Share, in percent", "Left out"],
        ["a", "b", "20", "4", "1", "2", "35.0", "0"],
    ]
    assert NEAR_LEGEND in page.text
    assert report.tables["matrix"].query("test == 'b'")["near_overlap"].tolist() == [3]


def test_without_audits_there_is_no_section_and_no_legend() -> None:
    page = Page(build_report(runs(), [], "now").html)
    assert "Audit" not in page.text
    assert NEAR_LEGEND not in page.text


def test_more_near_pictures_than_images_are_refused() -> None:
    score = score_json("b", 0.45, 0.45, near_overlap={"pixels": 11, "phash": 10})
    with pytest.raises(InputError, match="near_overlap: expected at most n, 20, in all kinds together, found 21"):
        require_rates(Scores.model_validate([score]), "scores.json", Advice("Again"))
