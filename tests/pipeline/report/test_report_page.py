"""The page as a reader gets it: right numbers, loud warnings, nothing from the network."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from report_samples import CLASSES, STAND_IN, Page, crossed_runs, digest, make_run, make_store, score_json

from pipeline.footnotes import LEGEND
from pipeline.learning.metrics import METRICS
from pipeline.report import ReportContext, ReportRun, StoreSummary, build_report
from pipeline.report.reliability import Reliability
from pipeline.tables.labels import CLASS_SETS

DATE = "1 May 2026"
LIMIT_KB = 90  # of the small page here; that of the sample has a test in the browser


def page(runs: list[ReportRun], stores: list[StoreSummary] | None = None) -> Page:
    return Page(
        build_report(runs, stores or [], DATE, ReportContext(evaluate_command="fer-stage evaluate --run runs")).html
    )


@pytest.fixture(scope="module")
def html() -> str:
    return build_report(crossed_runs(), [make_store()], DATE).html


@pytest.fixture(scope="module")
def read(html: str) -> Page:
    return Page(html)


def test_the_page_says_when_it_was_made(read: Page) -> None:
    assert f"{DATE} · 4 runs" in read.text


def test_the_summary_shows_means_and_deviations(read: Page) -> None:
    """The hand calculations of test_report_groups, in percent; UAR is half the accuracy in these records."""
    header, row = read.tables["Mean scores in percent, ± standard deviation over seeds"]
    assert dict(zip(header, row, strict=True)) == {
        "Method": "probe",
        "Encoder": "mini",
        "Accuracy, within": "86.5 ± 2.1",
        "UAR, within": "43.2 ± 1.1",
        "Accuracy, unseen": "46.2 ± 1.8",
        "UAR, unseen": "23.1 ± 0.9",
        "Trained on": "2 datasets",
        "Seeds": "2",
        "Unseen pairs": "4",
    }


def test_the_matrix_has_means_deviations_marks_and_what_guessing_scores(read: Page) -> None:
    """Ten of twenty images are surprise: 50 for the most frequent. Of three expressions: 33.3 for guessing."""
    assert read.matrix("Accuracy of probe on mini") == [
        ["trained on ↓tested on →", "a", "b", "c", "mean unseen"],
        ["a", "91.0 ± 1.4 (seen)", "62.0 ± 2.8", "48.0 ± 2.8", "55.0 ± 0.0"],
        ["b", "45.0 ± 7.1", "82.0 ± 2.8 (seen)", "30.0 ± 0.0", "37.5 ± 3.5"],
        ["most frequent", "50.0", "50.0", "50.0", "50.0"],
        ["guessing", "33.3", "33.3", "33.3", "33.3"],
    ]
    assert read.matrix("UAR of probe on mini")[1] == [
        "a",
        "45.5 ± 0.7 (seen)",
        "31.0 ± 1.4",
        "24.0 ± 1.4",
        "27.5 ± 0.0",
    ]


def test_every_score_in_the_table_is_that_of_the_record(read: Page) -> None:
    _, *rows = read.tables["Every score, in percent"]
    actual = {(train, test, int(seed)): rest for train, test, _, seed, *rest in rows}
    expected = {
        (run.dataset, score.dataset, run.seed): [
            "20",
            f"{100 * score.accuracy:.1f}",
            "25.0 to 75.0",
            f"{100 * score.uar:.1f}",
            "12.5 to 87.5",
            "12.5",
            "25.0",
            "4",
            "6",
        ]
        for run in crossed_runs()
        for score in run.scores
    }
    assert actual == expected


def test_recalls_and_confusion_counts_are_those_of_the_record() -> None:
    tables = page([make_run([score_json("b", 0.5)])]).tables
    assert tables["Recall of each expression in percent, mean over seeds"] == [
        ["Trained on", "Tested on", *CLASSES],
        ["a", "b", "70.0", "20.0", "—"],
    ]
    assert tables["Confusion counts of probe on mini: images, rows true, columns predicted"] == [
        ["Trained on → tested on", "True", *CLASSES],
        ["a → b", "surprise", "7", "2", "1"],
        ["fear", "5", "2", "3"],
        ["disgust", "0", "0", "0"],
    ]


def test_large_test_sets_get_a_second_digit() -> None:
    big = {"n": 10000, "support": {"surprise": 10000}, "confusion": [[10000, 0, 0], [0, 0, 0], [0, 0, 0]]}
    tables = page([make_run([score_json("b", 0.12345, **big), score_json("c", 0.12345)])]).tables
    assert tables["Every score, in percent"][1][5] == "12.35"
    assert tables["Every score, in percent"][2][5] == "12.3"


def test_missing_cells_are_dashes_and_are_pointed_out() -> None:
    runs = [make_run([score_json("a", 0.5, seen=True)]), make_run([score_json("c", 0.25)], dataset="b")]
    read = page(runs)
    assert read.matrix("Accuracy of probe on mini")[:3] == [
        ["trained on ↓tested on →", "a", "c", "mean unseen"],
        ["a", "50.0 (seen)", "—", "—"],
        ["b", "—", "25.0", "25.0"],
    ]
    assert "probe on mini was scored on 2 of 4 pairs" in read.text


def test_runs_that_were_never_evaluated_still_make_a_page() -> None:
    read = page([make_run([])])
    assert "Not evaluated yet: probe on mini. Run: fer-stage evaluate --run runs" in read.text
    assert "No mean can be shown" in read.text
    assert "Trained on one, tested on all" not in read.text
    assert "What each training run selected; scores in percent" in read.tables


def test_all_that_was_never_evaluated_is_in_one_note() -> None:
    runs = [make_run([]), make_run([], method="other"), *crossed_runs(method="third")]
    html = build_report(runs, [], DATE, ReportContext(evaluate_command="fer-stage evaluate --run runs")).html
    assert html.count("Not evaluated yet") == 1
    assert "Not evaluated yet: other on mini, probe on mini. Run" in html


def test_a_complete_page_has_no_cautions(read: Page) -> None:
    assert "Compare with care" not in read.text


def test_runs_with_other_expressions_are_pointed_out() -> None:
    runs = [make_run([score_json("b", 0.5)]), make_run([], dataset="b", classes=[*CLASSES, "neutral"])]
    assert "predict different expressions, so that their scores do not measure" in build_report(runs, [], DATE).html


def test_a_stand_in_encoder_is_named_once_wherever_its_numbers_are() -> None:
    """Its note in the banner and with its identity; the word in each ranking, matrix and summary, and its heading."""
    runs = [*crossed_runs(encoder="noise", encoder_note=STAND_IN), *crossed_runs(encoder="real")]
    read = page(runs, [make_store(encoder="noise", encoder_note=STAND_IN), make_store(encoder="real")])
    assert f"Stand-in encoder. noise: {STAND_IN}" in read.text
    assert read.text.count(STAND_IN) == 2
    assert f"Encoder noise (stand-in: {STAND_IN})" in read.tables
    matrices = [name for name in read.tables if "of probe on noise" in name and "mean" not in name]
    assert [name for name in matrices if "stand-in" in name] == [name for name in matrices if "within" in name]
    assert [row[1] for row in read.tables["Mean scores in percent, ± standard deviation over seeds"][1:]] == [
        "noise (stand-in)",
        "real",
    ]
    for metric in ("Accuracy", "UAR"):
        rows = read.tables[f"{metric} in percent, mean on unseen test sets, the best first"]
        assert [("on noise" in name, "stand-in" in name) for name, *_ in rows[1:3]] in ([(True, True), (False, False)],)
    assert "probe on noise stand-in" in read.text
    assert "real stand-in" not in read.text
    assert "real (stand-in)" not in read.text


def test_a_note_of_the_text_is_a_warning_too() -> None:
    read = page(crossed_runs(text_note=STAND_IN))
    assert f"Stand-in encoder. mini: text: {STAND_IN}" in read.text


def test_an_image_network_is_no_stand_in_whatever_encoder_it_lay_beside() -> None:
    read = page(crossed_runs(method="baseline", encoder_note=STAND_IN))
    assert "tand-in" not in read.text.replace(f"stand-in: {STAND_IN}", "")  # the encoder's own table has it
    assert read.matrix("Accuracy of baseline on pixels (mini)")


def test_a_seen_domain_is_marked_wherever_its_numbers_are_and_explained() -> None:
    scores = [score_json("a", 0.5, seen=True), score_json("b", 0.5, encoder_saw=True)]
    read = page([make_run(scores, encoder_saw=["folder"])], [make_store(), make_store(dataset="b", encoder_saw=True)])
    assert read.matrix("Accuracy of probe on mini")[0][1:] == ["a", "b †", "mean unseen †"]
    (row,) = read.tables["Mean scores in percent, ± standard deviation over seeds"][1:]
    assert row[2:6] == ["50.0", "50.0", "50.0 †", "50.0 †"]
    assert [row[1] for row in read.tables["Every score, in percent"]] == ["Tested on", "a", "b †"]
    assert read.tables["Recall of each expression in percent, mean over seeds"][2][1] == "b †"
    counts = read.tables["Confusion counts of probe on mini: images, rows true, columns predicted"]
    assert [row[0] for row in counts if len(row) == len(counts[0])][1:] == ["a → a", "a → b †"]
    assert [row[0] for row in read.tables["Images in the stores of mini"]] == ["Dataset", "a", "b †"]
    assert ["† trained on the train split of", "folder"] in read.tables["Encoder mini"]
    assert read.text.count(LEGEND) == 2  # below the ranking, above the matrices


def test_nothing_is_marked_where_the_encoder_saw_nothing(read: Page) -> None:
    assert LEGEND not in read.text


def test_no_warning_without_a_stand_in(read: Page) -> None:
    assert "tand-in" not in read.text


def test_names_cannot_become_markup() -> None:
    """No name of a folder has a slash; other texts may be anything."""
    name, text = "<script>alert(1)<script>", "</script><script>alert(1)</script>"
    texts = {"config": {text: text}, "versions": {text: text}, "recipe": text, "encoder_note": text}
    runs = [make_run([score_json(name, 0.5)], method=name, encoder=name, **texts)]
    read = page(runs, [make_store(dataset=text, encoder=text, rejected={text: 3}, preprocess={text: text})])
    assert sum(tag == "script" for tag, _ in read.tags) == 2  # the flag that there are scripts, and the page's own
    assert not any("alert(1)" in script for script in read.scripts)
    assert name in read.text
    assert text in read.text


def test_nothing_is_fetched(read: Page) -> None:
    fetching = {"src", "srcset", "action", "data", "poster", "background", "xlink:href"}
    assert not [(tag, attrs) for tag, attrs in read.tags if fetching & set(attrs)]
    links = [attrs["href"] or "" for _, attrs in read.tags if "href" in attrs]
    anchors = {attrs["id"] for _, attrs in read.tags if "id" in attrs}
    assert links
    assert all(link.startswith("#") and link[1:] in anchors for link in links)
    assert not {"link", "iframe", "img", "base", "object", "embed"} & {tag for tag, _ in read.tags}
    assert not re.search(r"url\(|@import", "".join(read.styles))


def test_the_browser_is_told_to_fetch_nothing(read: Page) -> None:
    (policy,) = [attrs["content"] for _, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_every_chart_has_words(read: Page) -> None:
    charts = [attrs for tag, attrs in read.tags if tag == "svg" and "chart" in (attrs.get("class") or "")]
    # Two metrics: a lane in the ranking, panels of three test sets each; four runs have curves.
    assert len(charts) == 2 * (1 + 3) + 4
    assert all(attrs.get("role") == "img" and attrs.get("aria-label") for attrs in charts)


def test_what_to_know_of_a_test_set_is_one_link_away_and_said_once(read: Page) -> None:
    """Of panels and of matrices, each for two metrics."""
    links = [attrs for tag, attrs in read.tags if tag == "a" and attrs.get("class") == "tip"]
    assert [(attrs["href"], attrs["data-note"]) for attrs in links] == 4 * [
        (f"#test-set-{i}", str(i)) for i in (1, 2, 3)
    ]
    (note,) = re.findall(r"b: (N = 20 images.*?)\.\n", read.text)
    assert note == (
        "N = 20 images, 4 rejected, 6 with another label; test split; labels: as the dataset has them, no options; "
        "none of them, by their bytes, train or validation images of a head; selected on the validation split of the "
        "train dataset: by the method itself; seeds: 0, 1"
    )


def test_a_method_that_trains_nothing_has_no_training_curve() -> None:
    runs = [make_run([score_json("b", 0.5)], method="zero-shot", is_random=False), make_run([score_json("b", 0.5)])]
    read = page(runs)
    headings = [attrs["aria-label"] for tag, attrs in read.tags if tag == "svg" and "Training of" in str(attrs)]
    assert [str(label).split(" on ")[0] for label in headings] == ["Training of probe"]
    assert "Nothing is trained" in read.text


def test_tables_have_captions_and_headed_rows(read: Page) -> None:
    kinds = [tag for tag, _ in read.tags]
    assert kinds.count("caption") == kinds.count("table") == len(read.tables)
    scopes = {attrs.get("scope") for tag, attrs in read.tags if tag == "th"}
    assert scopes == {"col", "row", "rowgroup"}


def test_what_was_run_is_listed(read: Page) -> None:
    header, row = read.tables["Images in the stores of mini"]
    assert dict(zip(header, row, strict=True)) == {
        "Dataset": "a",
        "Key": "cdcdcdcdcdcd",
        "Rows": "153",
        "Usable": "150",
        "train": "100",
        "val": "30",
        "test": "20",
        "surprise": "90",
        "fear": "60",
        "Rejected": "truncated 3",
    }
    assert ["encoder.weights", "ab" * 32] in read.tables["Encoder mini"]
    assert ["encoder.architecture", "tiny"] in read.tables["Encoder mini"]
    assert ["preprocess.size", "224"] in read.tables["Features and preprocessing of mini"]
    assert ["python", "3.11"] in read.tables["Software versions"]
    assert ["a", "test", digest("rows of a")[:12], "20", "10", "10", "0", "4", "contempt 6"] in read.tables[
        "Scored images per expression"
    ]
    assert ["a", "—"] in read.tables["Labels and splits of the scored datasets"]
    assert ["a", "0", "3", "2", "50.0", "40.0", "100", "30", "1.5"] in (
        read.tables["What each training run selected; scores in percent"]
    )


def test_a_setting_that_differs_between_runs_says_where() -> None:
    rows = page([make_run([]), make_run([], dataset="b")]).tables["probe on mini"]
    assert rows[1] == ["recipe", "—"]
    assert ["lr", "0.001"] in rows
    digests = [digest(f"train rows of {name}")[:12] for name in "ab"]
    assert ["train and validation rows", f"{digests[0]} (a seed 0); {digests[1]} (b seed 0)"] in rows


def test_the_recipe_that_was_asked_for_is_shown() -> None:
    runs = [make_run([], recipe="cafe/raf-db"), make_run([], dataset="b", recipe="cafe/raf-db")]
    assert ["recipe", "cafe/raf-db"] in page(runs).tables["probe on mini"]


def test_equal_records_give_equal_bytes_in_any_order(html: str) -> None:
    runs = random.Random(1).sample(crossed_runs(), 4)
    assert build_report(runs, [make_store()], DATE).html == html


def test_the_page_is_light(html: str) -> None:
    assert len(html.encode()) < LIMIT_KB * 1e3


def of_the_size_of_the_sample() -> list[ReportRun]:
    """Six methods on five datasets of seven expressions, 252 test images each, 30 epochs, with predictions."""
    names, styles = list(CLASS_SETS[7]), [f"sample-{letter}" for letter in "abcde"]
    counts = [[24 if i == j else 1 + (i + j) % 3 for j in range(7)] for i in range(7)]
    support = {name: sum(row) for name, row in zip(names, counts, strict=True)}
    of_classes = {
        "n": sum(support.values()),
        "confusion": counts,
        "support": support,
        "per_class": {name: row[i] / sum(row) for i, (name, row) in enumerate(zip(names, counts, strict=True))},
    }
    history = [{"epoch": i, "loss": 7 / i, "loss_cls": 2 / i, "loss_sep": 1 + 1 / i} for i in range(1, 31)]
    scored = {f"val_{name}": 0.5 for name in METRICS}
    bins = Reliability.of(np.linspace(0.1, 1, 240), np.arange(240) % 2 == 0)
    runs = [
        make_run(
            [score_json(test, 0.71, seen=test == train, **of_classes) for test in styles],
            [row | scored for row in history],
            method=f"method-{number}",
            dataset=train,
            classes=names,
        )
        for number in range(6)
        for train in styles
    ]
    with_bins = {"reliability": bins}
    return [replace(run, scores=tuple(score.model_copy(update=with_bins) for score in run.scores)) for run in runs]


def test_a_page_of_the_size_of_the_sample_is_light() -> None:
    """A kB is 1,000 bytes."""
    html = build_report(of_the_size_of_the_sample(), [make_store()], DATE).html
    assert 300_000 < len(html.encode()) < 600_000
