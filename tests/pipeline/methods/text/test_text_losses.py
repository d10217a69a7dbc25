import pytest
import torch

from pipeline.methods.text.losses import contrastive_loss, self_contrast_loss, text_similarity_loss, transformation_loss


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


POINTS = torch.tensor([[1.0, -2.0, 0.5, 3.0, -1.0], [0.0, 4.0, -1.0, -2.0, -3.0]]).double()
LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: text_similarity_loss(x, POINTS, LABELS, 0.5),
        lambda x: transformation_loss(x, POINTS[LABELS], EMOTIONAL),
        lambda x: self_contrast_loss(x, x.flip(0) + 1, POINTS[LABELS], EMOTIONAL),
        lambda x: contrastive_loss(x, x.flip(0) + 1, POINTS[LABELS], EMOTIONAL, 0.5),
    ],
)
def test_gradients_are_those_of_finite_differences(loss):
    features = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(loss, features)
