import math

import pytest
import torch
from torch.nn import functional

from pipeline.methods.noisy.losses import (
    add_up_loss,
    attention_maps,
    flip_consistency_loss,
    high_importance,
    mix_by_uncertainty,
    rank_regularization_loss,
    relabel,
    uncertainty,
)

EVERY = torch.tensor([True, True, True])


class TestHighImportance:
    def test_is_the_greatest_share_of_a_batch(self):
        """0.7 * 5 = 3.5: three rows are high."""
        found = high_importance(torch.tensor([0.2, 0.9, 0.4, 0.1, 0.5]), 0.7)
        assert found.tolist() == [False, True, True, False, True]

    def test_of_equals_takes_the_earlier(self):
        assert high_importance(torch.full((4,), 0.5), 0.5).tolist() == [True, True, False, False]

    @pytest.mark.parametrize(("share", "n", "expected"), [(0.29, 100, 29), (0.7, 64, 44), (0.7, 1, 0), (0.7, 2, 1)])
    def test_rounds_down_but_not_below_a_whole_number(self, share, n, expected):
        assert high_importance(torch.rand(n, generator=torch.Generator().manual_seed(0)), share).sum() == expected


class TestRankRegularization:
    IMPORTANCE = torch.tensor([0.6, 0.2, 0.5, 0.4])
    HIGH = torch.tensor([True, False, True, False])

    @pytest.mark.parametrize(("margin", "expected"), [(0.15, 0.0), (0.25, 0.0), (0.35, 0.1), (1.0, 0.75)])
    def test_is_what_the_gap_of_the_means_lacks(self, margin, expected):
        """Means (0.6 + 0.5) / 2 = 0.55 and (0.2 + 0.4) / 2 = 0.3: the gap is 0.25."""
        found = rank_regularization_loss(self.IMPORTANCE, self.HIGH, margin)
        assert found.item() == pytest.approx(expected, abs=1e-6)

    def test_of_equal_importances_is_the_margin(self):
        assert rank_regularization_loss(torch.full((4,), 0.5), self.HIGH, 0.15).item() == pytest.approx(0.15)

    @pytest.mark.parametrize("high", [[True, True], [False, False]])
    def test_is_zero_with_a_zero_gradient_when_a_group_is_empty(self, high):
        importance = torch.tensor([0.3, 0.6], requires_grad=True)
        loss = rank_regularization_loss(importance, torch.tensor(high), 0.15)
        loss.backward()
        assert loss.item() == 0.0
        assert importance.grad.tolist() == [0.0, 0.0]

    def test_gradient(self):
        """Each of two high rows lifts the gap by 1/2, each low one lowers it by 1/2."""
        importance = self.IMPORTANCE.clone().requires_grad_()
        rank_regularization_loss(importance, self.HIGH, 0.5).backward()
        assert importance.grad.tolist() == pytest.approx([-0.5, 0.5, -0.5, 0.5])


class TestRelabel:
    """Rows of P: (.7, .2, .1), (.45, .3, .25), (.1, .8, .1); labels 1, 1, 1; so P_max - P_gt is .5, .15 and 0."""

    LOGITS = torch.tensor([[0.7, 0.2, 0.1], [0.45, 0.3, 0.25], [0.1, 0.8, 0.1]]).log()
    LABELS = torch.tensor([1, 1, 1])

    @pytest.mark.parametrize(("margin", "expected"), [(0.2, [0, 1, 1]), (0.1, [0, 0, 1]), (0.6, [1, 1, 1])])
    def test_takes_the_prediction_where_it_is_surer_by_the_margin(self, margin, expected):
        assert relabel(self.LOGITS, self.LABELS, margin, EVERY).tolist() == expected

    def test_leaves_rows_alone_that_are_not_among_the_given(self):
        among = torch.tensor([False, True, True])
        assert relabel(self.LOGITS, self.LABELS, 0.1, among).tolist() == [1, 0, 1]

    def test_a_tie_is_no_lead(self):
        assert relabel(torch.zeros(1, 2), torch.tensor([1]), 0.0, EVERY[:1]).tolist() == [1]

    def test_does_not_write_into_the_labels(self):
        labels = self.LABELS.clone()
        relabel(self.LOGITS, labels, 0.1, EVERY)
        assert labels.tolist() == [1, 1, 1]


class TestMixing:
    FEATURES = torch.tensor([[4.0, 0.0], [0.0, 8.0], [1.0, 1.0]])
    PARTNER = torch.tensor([1, 0, 2])

    def test_uncertainty_is_the_mean_variance(self):
        """exp(0) = 1 and exp(ln 3) = 3: mean 2."""
        assert uncertainty(torch.tensor([[0.0, math.log(3)]])).tolist() == [[pytest.approx(2.0)]]

    def test_weighs_by_uncertainty(self):
        """u = (1, 3): weights 1/4 and 3/4 of rows 0 and 1, in both mixtures; a row with itself stays as it is."""
        found = mix_by_uncertainty(self.FEATURES, torch.tensor([[1.0], [3.0], [5.0]]), self.PARTNER)
        assert found.tolist() == [[1.0, 6.0], [1.0, 6.0], [1.0, 1.0]]

    def test_partners_need_not_be_each_others(self):
        """u = (1, 3, 5), each with the next: 1/4 and 3/4 of rows 0, 1, 3/8 and 5/8 of 1, 2, 5/6 and 1/6 of 2, 0."""
        found = mix_by_uncertainty(self.FEATURES, torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([1, 2, 0]))
        assert found.flatten().tolist() == pytest.approx([1.0, 6.0, 0.625, 3.625, 1.5, 5 / 6])

    def test_of_equal_uncertainties_is_the_middle(self):
        found = mix_by_uncertainty(self.FEATURES, torch.full((3, 1), 0.2), self.PARTNER)
        torch.testing.assert_close(found[0], torch.tensor([2.0, 4.0]))

    def test_only_the_ratio_of_uncertainties_counts(self):
        uncertainties = torch.tensor([[1.0], [3.0], [5.0]])
        one, other = (mix_by_uncertainty(self.FEATURES, factor * uncertainties, self.PARTNER) for factor in (1, 7))
        torch.testing.assert_close(one, other)

    def test_gradient(self):
        inputs = [value.double().requires_grad_() for value in (self.FEATURES, torch.tensor([[1.0], [3.0], [5.0]]))]
        assert torch.autograd.gradcheck(lambda f, u: mix_by_uncertainty(f, u, self.PARTNER), inputs)

    def test_add_up_loss_asks_for_both_labels(self):
        """Logits (ln 3, 0): P = (3/4, 1/4). Labels 0 and 1: (-ln 3/4 - ln 1/4) / 2 = (0.287682 + 1.386294) / 2."""
        logits = torch.tensor([[math.log(3), 0.0]]).expand(2, 2)
        found = add_up_loss(logits, torch.tensor([0, 1]), torch.tensor([1, 0]))
        assert found.item() == pytest.approx(0.836988, abs=1e-5)

    def test_add_up_loss_of_a_row_with_itself_is_its_cross_entropy(self):
        """-ln 3/4 = 0.287682."""
        found = add_up_loss(torch.tensor([[math.log(3), 0.0]]), torch.tensor([0]), torch.tensor([0]))
        assert found.item() == pytest.approx(0.287682, abs=1e-5)


class TestAttention:
    def test_maps_are_weighted_sums_of_channels(self):
        """Channels (1, 2) and (3, 4) in one row of two places; W = ((1, 0), (2, -1)):
        class 0 sees (1, 2), class 1 sees (2 - 3, 4 - 4) = (-1, 0)."""
        maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
        found = attention_maps(maps, torch.tensor([[1.0, 0.0], [2.0, -1.0]]))
        assert found.tolist() == [[[[1.0, 2.0]], [[-1.0, 0.0]]]]

    def test_mean_is_the_logit_without_bias(self):
        rng = torch.Generator().manual_seed(0)
        maps, weight = torch.rand(2, 5, 3, 3, generator=rng), torch.rand(4, 5, generator=rng)
        found = attention_maps(maps, weight).mean(dim=(2, 3))
        torch.testing.assert_close(found, maps.mean(dim=(2, 3)) @ weight.T)

    def test_no_gradient_reaches_the_classifier(self):
        maps, weight = torch.ones(1, 2, 1, 2, requires_grad=True), torch.ones(3, 2, requires_grad=True)
        attention_maps(maps, weight).sum().backward()
        assert weight.grad is None
        assert maps.grad.flatten().tolist() == [3.0, 3.0, 3.0, 3.0]


class TestFlipConsistency:
    def test_of_a_mirrored_map_is_zero(self):
        attention = torch.tensor([[[[1.0, 2.0, 5.0]]]])
        assert flip_consistency_loss(attention, attention.flip(-1)).item() == 0.0

    def test_is_the_mean_square(self):
        """(1, 2) against flipped (4, 2) = (2, 4): (1 + 4) / 2 = 2.5."""
        found = flip_consistency_loss(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[4.0, 2.0]]]]))
        assert found.item() == pytest.approx(2.5)

    def test_gradient_reaches_both(self):
        """Of the case above: A - flip(A') = (-1, -2), so dA = (-1, -2), and dA' = (1, 2) mirrored."""
        one, other = (torch.tensor([[[values]]], requires_grad=True) for values in ([1.0, 2.0], [4.0, 2.0]))
        flip_consistency_loss(one, other).backward()
        assert (one.grad.flatten().tolist(), other.grad.flatten().tolist()) == ([-1.0, -2.0], [2.0, 1.0])

    @pytest.mark.parametrize("side", [2, 7])
    def test_equals_bilinear_sampling_at_mirrored_places(self, side):
        """How the authors' code mirrors: grid_sample with corners aligned, x in (1, ..., -1)."""
        rng = torch.Generator().manual_seed(0)
        one, other = torch.rand(2, 2, 3, side, side, generator=rng)
        y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(1, -1, side), indexing="ij")
        grid = torch.stack([x, y], dim=-1).expand(2, -1, -1, -1)
        sampled = functional.grid_sample(other, grid, mode="bilinear", padding_mode="border", align_corners=True)
        torch.testing.assert_close(flip_consistency_loss(one, other), functional.mse_loss(one, sampled))
