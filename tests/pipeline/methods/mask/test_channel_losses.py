import pytest
import torch

from pipeline.errors import MismatchError
from pipeline.methods.mask.groups import Groups
from pipeline.methods.mask.losses import channel_diversity_loss, channel_separation_loss

GROUPS = Groups(5, (2, 3))
GATED = torch.tensor([[1.0, -2.0, 0.5, 3.0, -1.0], [0.0, 4.0, -1.0, -2.0, -3.0]])
ALL = torch.ones(1, 5)


def test_separation_is_cross_entropy_of_the_best_channels():
    """Best channels (1, 3), true class 0: ln(1 + e^(3 - 1)) = 2.126928."""
    loss = channel_separation_loss(GATED[:1], torch.tensor([0]), GROUPS, ALL)
    assert loss.item() == pytest.approx(2.126928, abs=1e-5)


def test_separation_does_not_see_dropped_channels():
    """Channel 3 dropped: best channels (1, 0.5), true class 0: ln(1 + e^(0.5 - 1)) = 0.474077."""
    keep = torch.tensor([[1.0, 1.0, 1.0, 0.0, 1.0]])
    loss = channel_separation_loss(GATED[:1], torch.tensor([0]), GROUPS, keep)
    assert loss.item() == pytest.approx(0.474077, abs=1e-5)


def test_a_dropped_channel_counts_as_zero():
    """Row (0, 4 | -1, -2, -3) with channel 2 dropped: best (4, 0), true class 0: ln(1 + e^-4) = 0.018150."""
    keep = torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0]])
    loss = channel_separation_loss(GATED[1:], torch.tensor([0]), GROUPS, keep)
    assert loss.item() == pytest.approx(0.018150, abs=1e-5)


def test_class_weights_multiply_the_best_channels():
    """Best channels (1, 3) times (2, 0.5): (2, 1.5), true class 0: ln(1 + e^(1.5 - 2)) = 0.474077."""
    loss = channel_separation_loss(GATED[:1], torch.tensor([0]), GROUPS, ALL, torch.tensor([2.0, 0.5]))
    assert loss.item() == pytest.approx(0.474077, abs=1e-5)


@pytest.mark.parametrize(("last", "expected"), [(True, 0.126928), (False, 1.313262)])
def test_a_last_group_of_one_channel_more_is_pooled_whole_or_without_it(last, expected):
    """Five channels, two classes: groups of 2 and 3. Best channels (0, 2) with channel 4, true class 1:
    ln(1 + e^(0 - 2)) = 0.126928; without it (0, -1): ln(1 + e^(0 + 1)) = 1.313262."""
    gated = torch.tensor([[0.0, -3.0, -1.0, -2.0, 2.0]])
    groups = Groups.even(5, 2, pool_remainder=last)
    assert channel_separation_loss(gated, torch.tensor([1]), groups, ALL).item() == pytest.approx(expected, abs=1e-5)


def test_a_drop_mask_per_row_is_each_rows_own():
    """Channel 3 dropped in row 1 only. Row 1: best (1, 0.5), class 0: 0.474077. Row 2: best (4, -1), class 0:
    ln(1 + e^-5) = 0.006715. Mean 0.240396."""
    keep = torch.tensor([[1.0, 1.0, 1.0, 0.0, 1.0], [1.0] * 5])
    loss = channel_separation_loss(GATED, torch.tensor([0, 0]), GROUPS, keep)
    assert loss.item() == pytest.approx(0.240396, abs=1e-5)


@pytest.mark.parametrize(("scale", "expected"), [(1.0, -0.75), (2.0, 0.125)])
def test_diversity_of_two_rows(scale, expected):
    """Best channels (1, 3) and (4, -1), mean 7 / 4: 1 - 1.75 / 1 = -0.75, and 1 - 1.75 / 2 = 0.125."""
    assert channel_diversity_loss(GATED, GROUPS, scale).item() == pytest.approx(expected)


def test_diversity_is_one_when_every_best_channel_is_zero():
    assert channel_diversity_loss(torch.zeros(3, 5), GROUPS).item() == 1.0


def test_channel_losses_refuse_another_width():
    with pytest.raises(MismatchError, match="expected 5 channels, found 4"):
        channel_diversity_loss(torch.zeros(1, 4), GROUPS)


LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: channel_separation_loss(x, LABELS, GROUPS, ALL.double()),
        lambda x: channel_separation_loss(x, LABELS, GROUPS, ALL.double(), torch.tensor([2.0, 0.5]).double()),
        lambda x: channel_diversity_loss(x, GROUPS, 3.0),
    ],
)
def test_gradients_are_those_of_finite_differences(loss):
    features = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(loss, features)
