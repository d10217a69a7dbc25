from dataclasses import replace

import pytest
import torch

from pipeline.learning.eager import eager_optimizer
from pipeline.learning.engines import engine_for
from pipeline.learning.learner import Batch
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.spec import HeadSpec
from pipeline.methods.mask.heads import FeatureMaskHead
from pipeline.methods.mask.options import FeatureMaskConfig
from pipeline.methods.mask.train import MaskLearner


def learner(n_classes=2, width=4, **options):
    config = FeatureMaskConfig(hidden=3, **options)
    classes = tuple(f"class-{i}" for i in range(n_classes))
    head = FeatureMaskHead(
        HeadSpec("feature-mask", classes, {"pooled": (width,)}, {}, "faces", "raw", config.head_options)
    )
    for value in head.parameters():
        torch.nn.init.zeros_(value)
    return MaskLearner(head, config)


def batch(made, features, labels, seed=0):
    noise = made.draw(len(labels), torch.Generator().manual_seed(seed))
    return Batch({"pooled": torch.tensor(features)}, torch.tensor(labels), torch.arange(len(labels)), noise=noise)


def terms(made, features, labels, seed=0):
    return {name: term.item() for name, term in made.loss_terms(batch(made, features, labels, seed)).items()}


def test_the_three_terms_of_one_row():
    """Zero weights: mask 0.5, gated (1, 0, 3, 2), groups (0, 1) and (2, 3), best (1, 3), true class 1.
    cls: two equal logits, ln 2 = 0.693147. sep: ln(1 + e^(1 - 3)) = 0.126928. div: group size 2, 2 classes:
    scale 2 / 2 = 1, 1 - (1 + 3) / 2 = -1."""
    found = terms(learner(drop_rate=0.0), [[2.0, 0.0, 6.0, 4.0]], [1])
    assert found == pytest.approx({"cls": 0.693147, "sep": 0.126928, "div": -1.0}, abs=1e-5)


def test_the_three_terms_with_an_uneven_last_group():
    """Five channels: groups (0, 1) and (2, 3, 4). Gated (1, 0, 0, 0, 3), best (1, 3), class 1, as above; the divisor is
    floor(5 / 2) = 2. Without the remainder channel 4 is not pooled: best (1, 0), sep ln(1 + e^1) = 1.313262,
    div 1 - (1 + 0) / 2 = 0.5."""
    row = [[2.0, 0.0, 0.0, 0.0, 6.0]]
    assert terms(learner(width=5, drop_rate=0.0), row, [1]) == pytest.approx(
        {"cls": 0.693147, "sep": 0.126928, "div": -1.0}, abs=1e-5
    )
    assert terms(learner(width=5, drop_rate=0.0, pool_remainder=False), row, [1]) == pytest.approx(
        {"cls": 0.693147, "sep": 1.313262, "div": 0.5}, abs=1e-5
    )


def test_without_a_sigmoid_the_mask_is_the_networks_output():
    """The last bias alone is 2, so the mask is 2: gated (2, 0, 6, 4), best (2, 6), class 1.
    sep: ln(1 + e^(2 - 6)) = 0.018150, div: 1 - (2 + 6) / 2 = -3."""
    made = learner(drop_rate=0.0, sigmoid=False)
    torch.nn.init.constant_(made.head.network[-1].bias, 2.0)
    found = terms(made, [[1.0, 0.0, 3.0, 2.0]], [1])
    assert found == pytest.approx({"cls": 0.693147, "sep": 0.018150, "div": -3.0}, abs=1e-5)


def test_div_norm_code_averages_over_classes_too():
    """Scale 2 in place of 2 / 2: 1 - 2 / 2 = 0."""
    assert terms(learner(div_norm="code"), [[2.0, 0.0, 6.0, 4.0]], [1])["div"] == pytest.approx(0.0)


def test_paper_and_code_divide_by_73_sevenths_and_by_73_for_512_channels():
    assert learner(7, 512).div_scale == pytest.approx(73 / 7)
    assert learner(7, 512, div_norm="code").div_scale == 73.0


def test_diversity_sees_channels_that_separation_drops():
    """Gated (1, 0, 3, 0); one channel of each group of two is dropped. Separation is left with (1, 3), (1, 0), (0, 3)
    or (0, 0) and class 1: ln(1 + e^-2), ln(1 + e^1), ln(1 + e^-3) or ln 2. Diversity always has (1, 3): -1."""
    made = learner(drop_rate=0.5)
    found = [terms(made, [[2.0, 0.0, 6.0, 0.0]], [1], seed) for seed in range(30)]
    assert {one["div"] for one in found} == {-1.0}
    assert sorted({round(one["sep"], 4) for one in found}) == [0.0486, 0.1269, 0.6931, 1.3133]


@pytest.mark.parametrize(("rate", "dropped"), [(0.0, 0), (0.25, 5), (0.9, 18)])
def test_the_share_that_is_dropped_follows_the_option(rate, dropped):
    keep = learner(2, 40, drop_rate=rate).draw(8, torch.Generator().manual_seed(0))["keep"]
    assert [(half == 0).sum().item() for half in keep.split(20, dim=1)] == [dropped, dropped]


@pytest.mark.parametrize("term", ["cls", "sep", "div"])
def test_every_term_shapes_the_mask(term):
    made = learner(drop_rate=0.0)
    torch.nn.init.eye_(made.head.classifier.weight)  # zeros would pass nothing on
    made.loss_terms(batch(made, [[2.0, 0.0, 6.0, 4.0]], [1]))[term].backward()
    assert made.head.network[-1].bias.grad.any()


@pytest.mark.parametrize("drop_shared", ["batch", "sample"])
def test_a_batch_shares_one_drop_mask_or_each_sample_has_its_own(drop_shared):
    """Rows are equal, so a batch of two costs as much as one row exactly if both have one mask."""
    made = learner(2, 40, drop_rate=0.5, drop_shared=drop_shared)
    row = [float(i) for i in range(40)]
    one = [terms(made, [row], [0], seed)["sep"] for seed in range(20)]
    two = [terms(made, [row, row], [0, 0], seed)["sep"] for seed in range(20)]
    assert (two == pytest.approx(one)) == (drop_shared == "batch")


def test_terms_are_equal_however_often_they_are_asked_for():
    made = learner(2, 40, drop_rate=0.5)
    one = batch(made, [[float(i) for i in range(40)]], [0])
    assert made.loss_terms(one) == made.loss_terms(one)


def test_learnt_class_weights_begin_at_one_and_are_learnt_from_separation_alone():
    """Row as in the first test: sep = ln(1 + e^(w0 - 3 w1)), its derivatives at w = (1, 1) with s = sigmoid(-2)
    = 0.119203: s and -3 s = -0.357609."""
    made = learner(drop_rate=0.0, class_weights="learnt")
    found = made.loss_terms(batch(made, [[2.0, 0.0, 6.0, 4.0]], [1]))
    assert found["sep"].item() == pytest.approx(0.126928, abs=1e-5)
    (found["cls"] + found["sep"] + found["div"]).backward()
    assert made.class_weights.grad.tolist() == pytest.approx([0.119203, -0.357609], abs=1e-5)
    assert not any("class_weights" in name for name in made.head.state_dict())


def test_loss_factors_are_the_papers():
    assert learner().loss_weights == {"cls": 1.0, "sep": 1.5, "div": 5.0}


def test_pool_remainder_follows_the_option():
    assert learner(7, 512).groups.sizes[-1] == 74
    assert learner(7, 512, pool_remainder=False).groups.sizes[-1] == 73


def test_the_recipe_is_adam_with_a_penalty_and_a_decaying_rate():
    made = learner(class_weights="learnt")
    options = {"epochs": 20, "batch_size": 31, "select_by": "uar", "balanced": True}
    config = FeatureMaskConfig(lr=0.0001, lr_decay=0.8, weight_decay=0.25, **options)
    settings = adam_settings(made, config)
    (group,) = settings.optimizer.param_groups
    assert type(settings.optimizer) is eager_optimizer(torch.optim.Adam), (
        "AdamW would decay weights apart from the gradient"
    )
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.0001, 0.25, len(list(made.parameters())))
    assert [settings.lr_factor(epoch) for epoch in (0, 1, 2)] == pytest.approx([1.0, 0.8, 0.64])
    assert {name: getattr(settings, name) for name in options} == options


@pytest.mark.parametrize(
    "options", [{}, {"drop_shared": "sample", "class_weights": "learnt", "bias": False, "pool_remainder": False}]
)
def test_terms_can_be_stacked(options):
    """Three heads with weights, rows, drops and loss factors of their own, in one step: the losses of each alone."""
    rng = torch.Generator().manual_seed(0)
    learners, batches, expected = [], [], []
    for seed, (sep, div) in enumerate([(1.5, 5.0), (0.0, 0.0), (5.0, 10.0)]):
        made = learner(2, 9, lambda_sep=sep, beta_div=div, drop_rate=0.5, **options)
        made.head.reset(torch.Generator().manual_seed(seed))
        one = batch(made, torch.randn(6, 9, generator=rng).tolist(), [0, 1, 1, 0, 1, 0], seed)
        learners.append(made)
        batches.append(one)
        expected.append({name: term.item() for name, term in made.loss_terms(one).items()})
    found = engine_for(learners, adam_settings(learners[0], FeatureMaskConfig())).step(stacked(batches))
    for losses, alone, made in zip(found, expected, learners, strict=True):
        whole = sum(factor * alone[name] for name, factor in made.loss_weights.items())
        assert losses == pytest.approx({"loss": whole} | {f"loss_{name}": v for name, v in alone.items()}, abs=1e-5)


def stacked(batches):
    def together(pick):
        return torch.stack([pick(one) for one in batches])

    return Batch(
        {"pooled": together(lambda one: one.inputs["pooled"])},
        together(lambda one: one.labels),
        together(lambda one: one.rows),
        noise={"keep": together(lambda one: one.noise["keep"])},
    )


def test_soft_labels_are_the_targets_of_the_classifier_alone():
    """Zero weights but the classifier's bias (ln 3, 0): probabilities 3/4 and 1/4. With shares 0.25 and 0.75
    cls = -(0.25 ln 0.75 + 0.75 ln 0.25) = 0.071921 + 1.039721 = 1.111641; of the label 1 alone it is ln 4 = 1.386294.
    Separation and diversity are those of the label."""
    made = learner(drop_rate=0.0)
    with torch.no_grad():
        made.head.classifier.bias.copy_(torch.tensor([3.0, 1.0]).log())
    hard = batch(made, [[2.0, 0.0, 6.0, 4.0]], [1])
    soft = replace(hard, soft_labels=torch.tensor([[0.25, 0.75]]))
    found = {name: term.item() for name, term in made.loss_terms(soft).items()}
    assert found == pytest.approx({"cls": 1.111641, "sep": 0.126928, "div": -1.0}, abs=1e-5)
    assert made.loss_terms(hard)["cls"].item() == pytest.approx(1.386294, abs=1e-5)


def test_soft_labels_can_be_stacked():
    learners, batches = [], []
    for seed, shares in enumerate([[0.25, 0.75], [1.0, 0.0]]):
        made = learner(2, 4, drop_rate=0.0)
        made.head.reset(torch.Generator().manual_seed(seed))
        learners.append(made)
        batches.append(replace(batch(made, [[2.0, 0.0, 6.0, 4.0]], [1]), soft_labels=torch.tensor([shares])))
    expected = [made.loss_terms(one)["cls"].item() for made, one in zip(learners, batches, strict=True)]
    together = replace(stacked(batches), soft_labels=torch.stack([one.soft_labels for one in batches]))
    found = engine_for(learners, adam_settings(learners[0], FeatureMaskConfig())).step(together)
    assert [losses["loss_cls"] for losses in found] == pytest.approx(expected, abs=1e-6)
