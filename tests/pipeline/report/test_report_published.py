"""Results beside published values: which value a cell is compared with, and every reason not to."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
from report_samples import CLASSES, STAND_IN, Page, make_run, score_json
from run_records import FEATURES, KEY

from pipeline.methods.mask.options import CafeConfig
from pipeline.published import ANY, FILE, Claim, PublishedSet
from pipeline.report import ReportContext, build_report
from pipeline.report.groups import group_runs
from pipeline.report.published import PublishedResult, Target, compare_with_published
from pipeline.report.published_tables import published_frame, verdict_text

SPEC = "open_clip:ViT-B-32-quickgelu/openai"
SET = PublishedSet(("b", "b-train"), CLASSES, 20, "")
CLAIM = Claim(
    *("CAFE", "1", "cafe", "resnet18", "a", "b", "accuracy", 0.5, "cafe", "cafe/raf-db"),
    options={"pretrained": FILE},
    encoders=(SPEC,),
    trains=("a",),
    test_set=SET,
    note="",
)
CONFIG = CafeConfig()
_ALIGNMENT = {"recipe": "square", "version": 1, "margin": 0.25, "detector": {"name": "yunet"}}
TARGET = Target(CLAIM, CONFIG, 224)


def _run(*accuracies: float, test: str = "b", **changes: Any) -> Any:
    """Heads of cafe, trained on a with the options of the paper, a seed for each accuracy on the test set of 20."""
    config = CONFIG.recorded("json") | {"pretrained": "weights/faces.pth"} | changes.pop("config", {})
    changes = {"method": "cafe", "encoder": "clip", "encoder_spec": SPEC, "config": config} | changes
    scores = changes.pop("score", {})
    return [
        make_run([score_json(test, accuracy, **scores)], seed=seed, **changes)
        for seed, accuracy in enumerate(accuracies)
    ]


def _compared(runs: Any, *targets: Target, texts: Any = None) -> list[PublishedResult]:
    return compare_with_published(group_runs(runs), targets or (TARGET,), texts or {})


def _one(runs: Any, *targets: Target) -> PublishedResult:
    (result,) = _compared(runs, *targets)
    return result


class TestVerdicts:
    def test_a_value_inside_the_interval_is_reproduced(self) -> None:
        """The interval of the record is 0.25 to 0.75, and 0.5 is in it."""
        result = _one(_run(0.45))
        assert (result.verdict, result.reasons) == ("reproduced", ())
        assert result.bounds == pytest.approx((0.25, 0.75))
        assert verdict_text(result) == "reproduced"

    @pytest.mark.parametrize(("value", "text"), [(0.80, "lower by 35.0 points"), (0.20, "higher by 25.0 points")])
    def test_one_outside_is_lower_or_higher_by_so_many_points(self, value: float, text: str) -> None:
        assert verdict_text(_one(_run(0.45), replace(TARGET, claim=replace(CLAIM, value=value)))) == text

    def test_seeds_widen_the_interval_and_a_mean_is_compared(self) -> None:
        """Accuracies 0.40, 0.50, 0.45: mean 0.45, sd 0.05; t = 4.30265 for two degrees of freedom.

        The seeds' half width is 4.30265 * 0.05 / sqrt(3) = 0.124207. Images: 0.45 - 0.25 = 0.20 below and 0.30 above.
        """
        result = _one(_run(0.40, 0.50, 0.45))
        assert (result.seeds, result.ours) == (3, pytest.approx(0.45))
        below, above = sqrt(0.2**2 + 0.124207**2), sqrt(0.3**2 + 0.124207**2)
        assert result.bounds == pytest.approx((0.45 - below, 0.45 + above), abs=1e-6)

    def test_the_recall_of_one_expression_has_wilsons_interval(self) -> None:
        """Of 10 images of surprise 7 are right: Wilson's interval is 0.396775 to 0.892216."""
        target = replace(TARGET, claim=replace(CLAIM, metric="recall:surprise", value=0.7))
        result = _one(_run(0.45), target)
        assert result.ours == pytest.approx(0.7)
        assert result.bounds == pytest.approx((0.396775, 0.892216), abs=1e-5)

    def test_an_expression_that_does_not_occur_is_not_compared(self) -> None:
        assert _compared(_run(0.45), replace(TARGET, claim=replace(CLAIM, metric="recall:disgust"))) == []

    def test_missing_images_widen_the_interval(self) -> None:
        """2,020 were published, 20 of them are not here: each of them could be right or wrong, 20 of 2,020."""
        support = {"surprise": 1000, "fear": 1000}
        counts = {"n": 2000, "support": support, "confusion": [[1000, 0, 0], [1000, 0, 0], [0, 0, 0]]}
        claim = replace(CLAIM, test_set=replace(SET, n=2020))
        result = _one(_run(0.5, score=counts), replace(TARGET, claim=claim))
        assert result.reasons == ()
        assert result.bounds == pytest.approx((0.25 - 20 / 2020, 0.75 + 20 / 2020))
        assert result.caveats == ("N = 2,000, published on 2,020: counted in the interval",)


class TestReasons:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"encoder_note": STAND_IN}, "stand-in encoder"),
            ({"encoder_spec": "mini"}, f"other encoder: mini, published with {SPEC}"),
            ({"config": {"epochs": 3}}, "other options: epochs=3 (published: 60)"),
            ({"config": {"pretrained": ""}}, "without the pretrained weights of the published network"),
            ({"text_key": KEY, "text_encoder": {"family": "other"}}, "text of another encoder"),
            (
                {"text_key": KEY, "text_encoder": FEATURES["encoder"]},
                "its prompts are not known: their vectors are not below --features",
            ),
            ({"score": {"split": "val"}}, "val split"),
            ({"score": {"excluded_overlap": 3}}, "other images: 3 that overlap with training are left out"),
        ],
    )
    def test_every_difference_is_a_reason(self, changes: dict[str, Any], reason: str) -> None:
        result = _one(_run(0.45, **changes))
        assert result.reasons == (reason,)
        assert verdict_text(result) == "not comparable"

    def test_other_numbers_of_images_and_of_expressions(self) -> None:
        claim = replace(CLAIM, test_set=replace(SET, n=22, expressions=CLASSES[:2]))
        result = _one(_run(0.45), replace(TARGET, claim=claim))
        assert result.reasons == (
            "other label set: 3 expressions, published with 2",
            "other images: N = 20, published on 22",
        )

    def test_other_labels_or_images_under_the_same_name_and_number(self) -> None:
        """Train labels of another list change no test image: without the option of the layout nothing would show."""
        claim = replace(CLAIM, train_options={"labels": ""}, test_set=replace(SET, options={"rule": "majority"}))
        target = replace(TARGET, claim=claim)
        within = [score_json("a", 0.45, seen=True, store_key=KEY, options={"labels": "noise03.txt"})]
        (run,) = _run(0.45)
        for options, reasons in (
            ({"rule": "majority"}, ["other labels or images of a: labels=noise03.txt (published: none)"]),
            (
                {"rule": "argmax"},
                [
                    "other labels or images of b: rule=argmax (published: majority)",
                    "other labels or images of a: labels=noise03.txt (published: none)",
                ],
            ),
        ):
            scores = [*within, score_json("b", 0.45, options=options, store_key="12" * 32)]
            changes = {"config": run.record.config, "encoder": "clip", "encoder_spec": SPEC, "key": KEY}
            result = _one([make_run(scores, method="cafe", **changes)], target)
            assert list(result.reasons) == reasons

    @pytest.mark.parametrize(("n_train", "is_part"), [(84, True), (90, False)])
    def test_a_part_of_the_train_split(self, n_train: int, is_part: bool) -> None:
        """A tenth of 100 images is kept for validation here; less is another training set."""
        target = replace(TARGET, claim=replace(CLAIM, n_train=100))
        reasons = _one(_run(0.45, n_train=n_train), target).reasons
        assert reasons == (("fewer train images: 84, published with 100",) if is_part else ())

    def test_aligned_faces(self) -> None:
        aligned = FEATURES | {"preprocess": {**FEATURES["preprocess"], "alignment": _ALIGNMENT}}
        (run,) = _run(0.45, encoder_identity=aligned)
        assert _one([run]).reasons == ("faces aligned by fer-stage, published on the images as they are released",)

    def test_weights_where_the_paper_has_none(self) -> None:
        target = replace(TARGET, claim=replace(CLAIM, options={}))
        assert _one(_run(0.45), target).reasons == ("with pretrained weights, published without",)
        anything = replace(TARGET, claim=replace(CLAIM, options={"pretrained": ANY}))
        assert _one(_run(0.45), anything).reasons == ()

    def test_prompts_are_compared_as_they_are_written(self) -> None:
        target = replace(TARGET, templates=("a photo of [CLS].",))
        run = _run(0.45, text_key=KEY, text_encoder=FEATURES["encoder"])
        (same,) = _compared(run, target, texts={KEY: ("a photo of [CLS].",)})
        (other,) = _compared(run, target, texts={KEY: ("a face.", "another.")})
        assert (same.reasons, other.reasons) == ((), ("other prompts: 'a face.' ..., published 'a photo of [CLS].'",))

    def test_an_unknown_number_of_images_is_a_caveat(self) -> None:
        result = _one(_run(0.45), replace(TARGET, claim=replace(CLAIM, test_set=replace(SET, n=0))))
        assert (result.reasons, result.caveats) == ((), ("the published N is not known",))


class TestChoice:
    def test_an_ablation_is_compared_with_its_own_row(self) -> None:
        """Table 6 differs from Table 1 in one option, and so do two groups of runs."""
        no_sigmoid = CafeConfig(sigmoid=False)
        other = Target(replace(CLAIM, table="6", method="cafe (no sigmoid)"), no_sigmoid, 224)
        runs = [*_run(0.45), *_run(0.45, config={"sigmoid": False})]
        results = _compared(runs, TARGET, other)
        assert [(result.claim.table, result.verdict) for result in results] == [
            ("1", "reproduced"),
            ("6", "reproduced"),
        ]

    def test_among_several_that_differ_the_one_with_the_fewest_other_options_is_chosen(self) -> None:
        other = Target(replace(CLAIM, table="6"), CafeConfig(sigmoid=False), 224)
        result = _one(_run(0.45, config={"sigmoid": False, "epochs": 3}), TARGET, other)
        assert (result.claim.table, result.reasons) == ("6", ("other options: epochs=3 (published: 60)",))

    def test_other_methods_datasets_and_directions_are_not_compared(self) -> None:
        assert _compared(_run(0.45, method="scn")) == []
        assert _compared(_run(0.45, dataset="b", score={"seen": True})) == []
        assert _compared(_run(0.45, test="c")) == []

    def test_both_releases_of_a_test_set_are_shown(self) -> None:
        runs = _run(0.45)
        (first,) = runs
        both = make_run(
            [score_json("b", 0.45), score_json("b-train", 0.45)],
            method="cafe",
            encoder="clip",
            encoder_spec=SPEC,
            config=first.record.config,
        )
        assert [result.cell.test for result in _compared([both])] == ["b", "b-train"]


class TestTables:
    def test_the_page_and_the_table_have_every_result(self) -> None:
        report = build_report(_run(0.45, encoder_note=STAND_IN), [], "now", ReportContext(targets=[TARGET]))
        frame = report.tables["published"]
        row = frame.iloc[0]
        assert (row["published"], row["ours"], row["ours_low"], row["ours_high"]) == (0.5, 0.45, 0.25, 0.75)
        assert (row["difference"], row["n"], row["published_n"], row["seeds"]) == (-0.05, 20, 20, 1)
        assert (row["verdict"], row["reasons"]) == ("not comparable", "stand-in encoder")
        assert (row["identifier"], row["encoder_note"]) == ("arXiv:2408.10614", STAND_IN)
        page = Page(report.html)
        (table,) = [rows for caption, rows in page.tables.items() if caption.startswith("CAFE (arXiv:2408.10614")]
        assert table[1][7:] == ["50.00", "45.0", "25.0 to 75.0", "not comparable", "20", "1"]
        assert page.tables["Why results are not compared"][1][-1] == "stand-in encoder"

    def test_without_a_published_value_there_is_neither(self) -> None:
        report = build_report(_run(0.45), [], "now")
        assert "published" not in report.tables
        assert 'id="published"' not in report.html

    def test_an_unknown_number_of_images_is_empty(self) -> None:
        unknown = replace(TARGET, claim=replace(CLAIM, test_set=replace(SET, n=0)))
        frame = published_frame(_compared(_run(0.45), unknown))
        assert frame["published_n"].isna().all()
