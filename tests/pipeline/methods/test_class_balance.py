"""Imbalance: weights of classes, and rows that are drawn by class, by hand and beside what others compute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from memory_clips import source_for
from memory_source import separable_source, text_for
from overfit import OVERFIT
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight
from tiny_encoder import tiny_encoder
from torch.nn import functional

from pipeline.learning.class_balance import balanced_weights, class_balance
from pipeline.learning.loop import _draw_order
from pipeline.learning.method import TrainingInputs
from pipeline.learning.options import MethodConfig
from pipeline.methods import METHODS, config_class, load_method
from pipeline.methods.packing import pack
from pipeline.methods.probe.logistic import LogisticRegression as Probe

# 6 surprise, 3 fear, 1 disgust of 10: N / (C * n) = 10 / (3 * 6), 10 / (3 * 3), 10 / (3 * 1).
LABELS = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
WEIGHTS = (10 / 18, 10 / 9, 10 / 3)
WEIGHING = [method for method in METHODS if "cross_entropy_weights" in config_class(method).model_fields]


def test_weights_by_hand_and_as_scikit_learn() -> None:
    weights = balanced_weights(LABELS, 3)
    assert weights.tolist() == pytest.approx(WEIGHTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    assert weights.tolist() == pytest.approx(expected.tolist())
    assert float(weights[LABELS].sum()) == pytest.approx(10)


def test_a_class_without_rows_has_no_weight_and_is_not_counted() -> None:
    """Two classes occur, 3 rows and 1: 4 / (2 * 3) and 4 / (2 * 1)."""
    assert balanced_weights(torch.tensor([0, 0, 0, 2]), 4).tolist() == pytest.approx([2 / 3, 0, 2, 0])


def test_the_weighted_cross_entropy_by_hand() -> None:
    """Two rows, of weight 2/3 and 2, whose losses are log 2 and log 4: the weighted mean, as PyTorch takes it, is
    (2/3 log 2 + 2 log 4) / (2/3 + 2) = (14/3 log 2) / (8/3) = 1.75 log 2."""
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    loss = functional.cross_entropy(logits, torch.tensor([0, 1]), torch.tensor([2 / 3, 2.0]))
    assert float(loss) == pytest.approx(1.75 * math.log(2))


def test_balanced_batches_are_those_of_the_imbalanced_dataset_sampler() -> None:
    """That sampler draws N rows with replacement by `torch.multinomial`, each with the weight 1 / n of its class."""
    weights = torch.tensor([1 / 6] * 6 + [1 / 3] * 3 + [1.0])  # by hand
    expected = torch.multinomial(weights, 10, replacement=True, generator=torch.Generator().manual_seed(3))
    assert torch.equal(_draw_order(LABELS, True, torch.Generator().manual_seed(3)), expected)
    rng = torch.Generator().manual_seed(0)
    drawn = torch.stack([torch.bincount(LABELS[_draw_order(LABELS, True, rng)], minlength=3) for _ in range(3000)])
    assert drawn.sum(dim=1).unique().tolist() == [10]  # as many draws as rows
    assert drawn.float().mean(dim=0).tolist() == pytest.approx([10 / 3] * 3, abs=0.1)


def test_what_the_record_states() -> None:
    classes = ("surprise", "fear", "disgust", "anger")
    rows = {"surprise": 6, "fear": 3, "disgust": 1}
    config = config_class("feature-mask")
    assert class_balance(LABELS, classes, config()) == {}
    assert class_balance(LABELS, classes, config(balanced=True)) == {
        "class_balance": {"rows": rows, "draws": dict.fromkeys(rows, 3.3)}
    }
    weighted = class_balance(LABELS, classes, config(cross_entropy_weights="balanced"))
    assert weighted == {
        "class_balance": {"rows": rows, "weights": {"surprise": 0.555556, "fear": 1.111111, "disgust": 3.333333}}
    }


def test_the_probe_has_the_optimum_of_scikit_learn_with_balanced_class_weight() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 300, p=[0.7, 0.25, 0.05])
    features = rng.normal(size=(300, 5)) + 0.7 * np.eye(5)[labels]
    reference = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000).fit(features, labels)
    codes = torch.from_numpy(labels)
    probe = Probe(torch.from_numpy(features).float(), codes, 3, balanced_weights(codes, 3))
    weight, bias, _ = probe.solve(0.1, 1000)
    ours = features @ weight.double().numpy().T + bias.double().numpy()
    theirs = reference.decision_function(features)
    ours, theirs = (each - each.mean(axis=1, keepdims=True) for each in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    plain = Probe(torch.from_numpy(features).float(), codes, 3).solve(0.1, 1000)[0]
    assert not torch.allclose(plain, weight, atol=0.01)


def test_methods_that_weigh_classes() -> None:
    assert set(WEIGHING) == {
        *("baseline", "fine-tune", "cafe", "feature-mask", "token-mask", "eac", "scn", "coop", "cocoop"),
        *("linear-probe", "temporal-attention", "temporal-transformer"),
    }


@pytest.mark.parametrize("method", WEIGHING)
def test_the_default_is_in_no_record_and_no_key(method: str) -> None:
    """Heads of before the option existed stay up to date."""
    config: Any = config_class(method)
    assert "cross_entropy_weights" not in config().recorded()
    weighted = config(cross_entropy_weights="balanced")
    assert weighted.recorded() == config().recorded() | {"cross_entropy_weights": "balanced"}
    assert config().recorded().items() <= config().model_dump().items()
    later = config.later_options | MethodConfig.later_options
    assert config().recorded().keys() == config.model_fields.keys() - later


@pytest.mark.parametrize("method", WEIGHING)
def test_weights_change_the_head_and_are_stated(method: str) -> None:
    """Ten rows of seven expressions: two each of the first three, one each of the others. 10 / 14 and 10 / 7."""
    quick = {"max_log10_c": -1} if method == "linear-probe" else {"epochs": 2, "select_by": "last"}
    slow_start = {"tokens": 2, "warmup_epochs": 0, "lr": 0.1} if method in ("coop", "cocoop") else {}
    options = OVERFIT[method] | slow_start
    source = source_for(method, n=10)
    inputs = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    config: Any = config_class(method)
    weighted, plain = (
        load_method(method).fit(inputs, config(**options | quick | {"cross_entropy_weights": value}), 0)
        for value in ("balanced", "none")
    )
    assert pack(weighted.head)[0] != pack(plain.head)[0]
    balance = weighted.diagnostics["class_balance"]
    assert balance["rows"] == {"surprise": 2, "fear": 2, "disgust": 2} | dict.fromkeys(source.classes[3:], 1)
    assert balance["weights"]["surprise"] == pytest.approx(10 / 14, abs=1e-6)
    assert balance["weights"]["neutral"] == pytest.approx(10 / 7, abs=1e-6)
    assert "class_balance" not in plain.diagnostics
    assert b"class_weights_of_loss" not in pack(weighted.head)[0]


def test_an_ensemble_weighs_as_each_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.learning.group.n_cores", lambda: 1)  # the two form one stack
    source = separable_source(n=10)
    inputs = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    config: Any = config_class("feature-mask")(epochs=3, cross_entropy_weights="balanced")
    method = load_method("feature-mask")
    together = dict(method.fit_many(inputs, [(config, 0), (config, 1)]))
    alone = [method.fit(inputs, config, seed) for seed in (0, 1)]
    assert [result.ensemble_size for result in together.values()] == [2, 2]
    for i, one in enumerate(alone):
        for ours, theirs in zip(together[i].head.parameters(), one.head.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
