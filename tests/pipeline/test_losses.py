import pytest
import torch

from pipeline.errors import MismatchError
from pipeline.losses import (
    channel_diversity_loss,
    channel_separation_loss,
    self_contrast_loss,
    text_similarity_loss,
    transformation_loss,
)
from pipeline.models.channels import Groups

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


@pytest.mark.parametrize(("scale", "expected"), [(1.0, -0.75), (2.0, 0.125)])
def test_diversity_of_two_rows(scale, expected):
    """Best channels (1, 3) and (4, -1), mean 7 / 4: 1 - 1.75 / 1 = -0.75, and 1 - 1.75 / 2 = 0.125."""
    assert channel_diversity_loss(GATED, GROUPS, scale).item() == pytest.approx(expected)


def test_diversity_is_one_when_every_best_channel_is_zero():
    assert channel_diversity_loss(torch.zeros(3, 5), GROUPS).item() == 1.0


def test_channel_losses_refuse_another_width():
    with pytest.raises(MismatchError, match="expected 5 channels, found 4"):
        channel_diversity_loss(torch.zeros(1, 4), GROUPS)


def test_text_similarity_ignores_the_length_of_vectors():
    """v = (3, 4), t = (1, 0) and (0, 2): cosines 0.6 and 0.8, over 0.1: 6 and 8. True class 0:
    ln(1 + e^2) = 2.126928."""
    text = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    loss = text_similarity_loss(torch.tensor([[3.0, 4.0]]), text, torch.tensor([0]), 0.1)
    assert loss.item() == pytest.approx(2.126928, abs=1e-5)


def test_transformation_of_two_rows():
    """cos((1, 0), (1, 1)) = 0.7071068 gives 0.2928932; opposite directions give 2. Mean 1.1464466."""
    visual, textual = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, -1.0]])
    assert transformation_loss(visual, textual).item() == pytest.approx(1.1464466)


def test_self_contrast_of_two_rows():
    """t = (1, 0). Row 1: v = (3, 4), n = (0, 5): 0 - 0.6 + 2 = 1.4. Row 2: v = (0, 1), n = (1, 1):
    0.7071068 - 0 + 2 = 2.7071068. Mean 2.0535534."""
    vectors, neutrals = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[0.0, 5.0], [1.0, 1.0]])
    text = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert self_contrast_loss(vectors, neutrals, text, gamma=2.0).item() == pytest.approx(2.0535534)


@pytest.mark.parametrize("loss", [transformation_loss, lambda v, t: self_contrast_loss(v, v, t)])
def test_losses_of_no_emotional_row_are_zero_with_zero_gradient(loss):
    vectors = torch.ones(3, 2, requires_grad=True)
    value = loss(vectors[:0], torch.ones(0, 2))
    value.backward()
    assert value.item() == 0.0
    assert vectors.grad.tolist() == [[0.0, 0.0]] * 3


def test_gamma_has_no_gradient():
    vectors, text = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])
    gradients = []
    for gamma in (0.0, 2.0):
        neutrals = torch.tensor([[2.0, 1.0]], requires_grad=True)
        self_contrast_loss(vectors, neutrals, text, gamma).backward()
        gradients.append(neutrals.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: channel_separation_loss(x, LABELS, GROUPS, ALL.double()),
        lambda x: channel_diversity_loss(x, GROUPS, 3.0),
        lambda x: text_similarity_loss(x, GATED.double(), LABELS, 0.5),
        lambda x: transformation_loss(x, GATED[[0, 1, 1]].double()),
        lambda x: self_contrast_loss(x, x.flip(0) + 1, GATED[[0, 1, 1]].double()),
    ],
)
def test_gradients_are_those_of_finite_differences(loss):
    features = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(loss, features)
