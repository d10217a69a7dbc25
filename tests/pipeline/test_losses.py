import pytest
import torch

from pipeline.errors import MismatchError
from pipeline.losses import (
    channel_diversity_loss,
    channel_separation_loss,
    contrastive_loss,
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


def test_text_similarity_ignores_the_length_of_vectors():
    """v = (3, 4), t = (1, 0) and (0, 2): cosines 0.6 and 0.8, over 0.1: 6 and 8. True class 0:
    ln(1 + e^2) = 2.126928."""
    text = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    loss = text_similarity_loss(torch.tensor([[3.0, 4.0]]), text, torch.tensor([0]), 0.1)
    assert loss.item() == pytest.approx(2.126928, abs=1e-5)


BOTH = torch.tensor([True, True])


def test_transformation_of_two_rows():
    """cos((1, 0), (1, 1)) = 0.7071068 gives 0.2928932; opposite directions give 2. Mean 1.1464466."""
    visual, textual = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, -1.0]])
    assert transformation_loss(visual, textual, BOTH).item() == pytest.approx(1.1464466)


# Two rows and a neutral one: t = (1, 0) everywhere.
VECTORS = torch.tensor([[3.0, 4.0], [0.0, 1.0], [7.0, -7.0]])
NEUTRALS = torch.tensor([[0.0, 5.0], [1.0, 1.0], [0.0, 0.0]])
TEXT = torch.tensor([[1.0, 0.0]]).repeat(3, 1)
EMOTIONAL = torch.tensor([True, True, False])


def test_self_contrast_of_two_rows():
    """t = (1, 0). Row 1: v = (3, 4), n = (0, 5): 0 - 0.6 + 2 = 1.4. Row 2: v = (0, 1), n = (1, 1):
    0.7071068 - 0 + 2 = 2.7071068. Mean 2.0535534; the neutral row does not count."""
    assert self_contrast_loss(VECTORS, NEUTRALS, TEXT, EMOTIONAL, gamma=2.0).item() == pytest.approx(2.0535534)


def test_contrastive_of_two_rows():
    """Over 0.5. Row 1: p = 1.2, q = 0: ln(1 + e^-1.2) = 0.263282. Row 2: p = 0, q = 1.4142136:
    ln(1 + e^1.4142136) = 1.631835. Mean 0.947559."""
    assert contrastive_loss(VECTORS, NEUTRALS, TEXT, EMOTIONAL, 0.5).item() == pytest.approx(0.947559, abs=1e-5)


def test_contrastive_of_a_face_as_near_as_its_neutral_is_ln_2():
    assert contrastive_loss(VECTORS, VECTORS, TEXT, EMOTIONAL, 0.01).item() == pytest.approx(0.693147, abs=1e-5)


OF_EMOTIONAL_ROWS = {
    "transformation": lambda v, n, t, emotional: transformation_loss(v - n, t, emotional),
    "self-contrast": self_contrast_loss,
    "contrastive": lambda *rows: contrastive_loss(*rows, temperature=0.5),
}


@pytest.mark.parametrize("loss", OF_EMOTIONAL_ROWS.values(), ids=OF_EMOTIONAL_ROWS)
class TestLossesOfEmotionalRows:
    def test_do_not_see_a_neutral_row(self, loss):
        vectors = VECTORS.clone().requires_grad_()
        value = loss(vectors, NEUTRALS, TEXT, EMOTIONAL)
        assert value.item() == pytest.approx(loss(VECTORS[:2], NEUTRALS[:2], TEXT[:2], BOTH).item())
        value.backward()
        assert vectors.grad[2].tolist() == [0.0, 0.0]

    def test_are_zero_with_zero_gradient_without_one(self, loss):
        vectors = VECTORS.clone().requires_grad_()
        value = loss(vectors, NEUTRALS, TEXT, torch.zeros(3, dtype=torch.bool))
        value.backward()
        assert value.item() == 0.0
        assert vectors.grad.tolist() == [[0.0, 0.0]] * 3

    def test_are_finite_where_a_face_equals_its_neutral(self, loss):
        vectors = VECTORS.clone().requires_grad_()
        loss(vectors, VECTORS, TEXT, EMOTIONAL).backward()
        assert vectors.grad.isfinite().all()

    def test_of_several_models_at_once_are_those_of_each(self, loss):
        vectors = torch.stack([VECTORS, VECTORS.flip(0)])
        emotional = torch.stack([EMOTIONAL, EMOTIONAL.flip(0)])
        together = torch.func.vmap(loss, in_dims=(0, None, None, 0))(vectors, NEUTRALS, TEXT, emotional)
        alone = torch.stack([loss(v, NEUTRALS, TEXT, e) for v, e in zip(vectors, emotional, strict=True)])
        torch.testing.assert_close(together, alone)


def test_gamma_has_no_gradient():
    vectors, text = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])
    gradients = []
    for gamma in (0.0, 2.0):
        neutrals = torch.tensor([[2.0, 1.0]], requires_grad=True)
        self_contrast_loss(vectors, neutrals, text, BOTH[:1], gamma).backward()
        gradients.append(neutrals.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: channel_separation_loss(x, LABELS, GROUPS, ALL.double()),
        lambda x: channel_separation_loss(x, LABELS, GROUPS, ALL.double(), torch.tensor([2.0, 0.5]).double()),
        lambda x: channel_diversity_loss(x, GROUPS, 3.0),
        lambda x: text_similarity_loss(x, GATED.double(), LABELS, 0.5),
        lambda x: transformation_loss(x, GATED[[0, 1, 1]].double(), EMOTIONAL),
        lambda x: self_contrast_loss(x, x.flip(0) + 1, GATED[[0, 1, 1]].double(), EMOTIONAL),
        lambda x: contrastive_loss(x, x.flip(0) + 1, GATED[[0, 1, 1]].double(), EMOTIONAL, 0.5),
    ],
)
def test_gradients_are_those_of_finite_differences(loss):
    features = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(loss, features)
