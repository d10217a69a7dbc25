"""The order of methods on the page, and what is special about methods that train nothing or use no encoder."""

from __future__ import annotations

from typing import Any

import pytest
from report_samples import STAND_IN, make_run, score_json

from pipeline.errors import MismatchError
from pipeline.methods import METHODS
from pipeline.report.groups import group_runs
from pipeline.report.runs import NO_TRAINING, Kind, kind_of


def untrained(dataset: str, a: float, b: float, **changes: Any) -> Any:
    scores = [score_json("a", a, seen=dataset == "a"), score_json("b", b, seen=dataset == "b")]
    return make_run(scores, dataset=dataset, method="zero-shot", **changes)


def test_every_method_has_a_kind() -> None:
    kinds = {name: kind_of(name) for name in METHODS}
    assert {name for name, kind in kinds.items() if kind is Kind.IMAGE} == {"baseline", "eac", "rul", "scn"}
    assert {name for name, kind in kinds.items() if kind is Kind.UNTRAINED} == {"zero-shot"}


def test_image_networks_come_first_and_what_trains_nothing_last() -> None:
    methods = ["zero-shot", "cafe", "scn", "linear-probe", "baseline", "another", "zero-shot prompt=0"]
    groups = group_runs([make_run([], method=method) for method in methods])
    assert [group.method for group in groups] == [
        "baseline", "scn", "another", "cafe", "linear-probe", "zero-shot", "zero-shot prompt=0"
    ]  # fmt: skip


def test_points_of_a_grid_are_sorted_as_numbers() -> None:
    values = ("10", "5", "0.5", "1e-3", "none")
    groups = group_runs([make_run([], method="m", variant=f"beta={value},text=x") for value in values])
    assert [group.method.split("=")[1].split(",")[0] for group in groups] == ["1e-3", "0.5", "5", "10", "none"]


def test_where_nothing_is_trained_every_dataset_is_unseen_and_has_one_score() -> None:
    (group,) = group_runs([untrained("a", 0.5, 0.3), untrained("b", 0.5, 0.3)])
    assert group.trains == (NO_TRAINING,)
    assert list(group.cells) == [(NO_TRAINING, "a"), (NO_TRAINING, "b")]
    assert group.within() == []
    assert [cell.first.accuracy for cell in group.unseen()] == [0.5, 0.3]


def test_rounding_of_another_machine_is_no_difference_but_other_scores_are_refused() -> None:
    group_runs([untrained("a", 0.5, 0.3), untrained("b", 0.505, 0.3)])
    with pytest.raises(MismatchError, match=r"equal scores of zero-shot on mini.*found on b 0\.3000 and 0\.4000"):
        group_runs([untrained("a", 0.5, 0.3), untrained("b", 0.5, 0.4)])


def test_an_image_network_needs_no_note_of_the_encoder_beside_it() -> None:
    """Records of before have one, later ones do not: both are the same pixels."""
    runs = [
        make_run([], method="baseline", encoder_note=STAND_IN),
        make_run([], method="baseline", dataset="b"),
        make_run([], method="cafe", encoder_note=STAND_IN),
    ]
    image, head = group_runs(runs)
    assert (image.note, image.source) == ("", "pixels (mini)")
    assert (head.note, head.source) == (STAND_IN, "mini")
