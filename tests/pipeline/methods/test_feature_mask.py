import math

import pytest
import torch
from memory_source import separable_source

from pipeline.methods.configs import FeatureMaskConfig
from pipeline.methods.feature_mask import METHOD, FeatureMaskLearner
from pipeline.models.mask import FeatureMaskHead
from pipeline.models.spec import HeadSpec


def learner(n_classes=2, width=4, **options):
    spec = HeadSpec(
        "feature-mask",
        tuple(f"class-{i}" for i in range(n_classes)),
        width,
        {},
        "faces",
        "raw",
        {"hidden": 3, "sigmoid": True},
    )
    head = FeatureMaskHead(spec)
    for value in head.parameters():
        torch.nn.init.zeros_(value)
    return FeatureMaskLearner(head, FeatureMaskConfig(**options))


def terms(made, features, labels, seed=0):
    found = made.terms(torch.tensor(features), torch.tensor(labels), torch.Generator().manual_seed(seed))
    return {name: term.item() for name, term in found.items()}


def test_the_three_terms_of_one_row():
    """Zero weights: mask 0.5, gated (1, 0, 3, 2), groups (0, 1) and (2, 3), best (1, 3), true class 1.
    cls: two equal logits, ln 2 = 0.693147. sep: ln(1 + e^(1 - 3)) = 0.126928. div: group size 2, 2 classes:
    scale 2 / 2 = 1, 1 - (1 + 3) / 2 = -1."""
    found = terms(learner(drop_rate=0.0), [[2.0, 0.0, 6.0, 4.0]], [1])
    assert found == pytest.approx({"cls": 0.693147, "sep": 0.126928, "div": -1.0}, abs=1e-5)


def test_div_norm_code_averages_over_classes_too():
    """Scale 2 in place of 2 / 2: 1 - 2 / 2 = 0."""
    assert terms(learner(div_norm="code"), [[2.0, 0.0, 6.0, 4.0]], [1])["div"] == pytest.approx(0.0)


def test_paper_and_code_divide_by_73_sevenths_and_by_73_for_512_channels():
    assert learner(7, 512).div_scale == pytest.approx(73 / 7)
    assert learner(7, 512, div_norm="code").div_scale == 73.0


def test_diversity_sees_channels_that_separation_drops():
    """Drop rate 0.5: one of two channels of each group is 0 for sep; div is as without dropping."""
    found = terms(learner(drop_rate=0.5), [[2.0, 2.0, 6.0, 6.0]], [1])
    assert found["div"] == pytest.approx(-1.0)
    assert found["sep"] == pytest.approx(math.log1p(math.exp(-2)), abs=1e-5)


@pytest.mark.parametrize("drop_shared", ["batch", "sample"])
def test_a_batch_shares_one_drop_mask_or_each_sample_has_its_own(drop_shared):
    """Rows are equal, so a batch of two costs as much as one row exactly if both have one mask."""
    made = learner(2, 40, drop_rate=0.5, drop_shared=drop_shared)
    row = [float(i) for i in range(40)]
    one = [terms(made, [row], [0], seed)["sep"] for seed in range(20)]
    two = [terms(made, [row, row], [0, 0], seed)["sep"] for seed in range(20)]
    assert (two == pytest.approx(one)) == (drop_shared == "batch")


def test_loss_factors_are_the_papers():
    assert learner().weights == {"cls": 1.0, "sep": 1.5, "div": 5.0}


def test_pool_remainder_follows_the_option():
    assert learner(7, 512).groups.sizes[-1] == 74
    assert learner(7, 512, pool_remainder=False).groups.sizes[-1] == 73


def test_without_separation_and_diversity_the_loss_is_the_classifiers():
    source = separable_source()
    config = FeatureMaskConfig(epochs=2, lambda_sep=0.0, beta_div=0.0)
    record = METHOD.fit(source, config, source.classes, 0).history[-1]
    assert record["loss"] == pytest.approx(record["loss_cls"])
