import math

import pytest
import torch

from pipeline.methods.prompts.losses import (
    closest_descriptors,
    descriptor_cosines,
    descriptor_logits,
    descriptor_margin_loss,
    fine_grained_loss,
    modulating_factor,
)

# One image, two classes of two descriptors, temperature 0.1: logits (6, 2 | 5, 8).
COSINES = torch.tensor([[[0.6, 0.2], [0.5, 0.8]]])


def test_an_images_fine_grained_loss_leaves_its_other_own_descriptors_out():
    """True class 0, best own logit 6, others 5 and 8: ln(e^6 + e^5 + e^8) - 6 = ln(1 + e^-1 + e^2) = 2.169846.
    One image in its subclass, the other empty: N_y / N_y^j = 1, softmax over one subclass = 1, alpha = 1."""
    loss = fine_grained_loss(COSINES, torch.tensor([0]), 0.1)
    assert loss.item() == pytest.approx(2.169846, abs=1e-5)


def test_margin_loss_sets_the_farthest_own_against_the_closest_other():
    """True class 0: min own 2, max other 8: ln(1 + e^6) = 6.002476. True class 1: min own 5, max other 6:
    ln(1 + e^1) = 1.313262."""
    for label, expected in ((0, 6.002476), (1, 1.313262)):
        loss = descriptor_margin_loss(COSINES, torch.tensor([label]), 0.1)
        assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_inference_is_the_mean_over_a_classs_descriptors():
    """Means 0.4 and 0.65 over 0.1."""
    assert descriptor_logits(COSINES, 0.1)[0].tolist() == pytest.approx([4.0, 6.5])


def test_cosines_ignore_lengths():
    """v = (3, 4): with (1, 0) 0.6, with (0, 2) 0.8, with (-5, 0) -0.6."""
    found = descriptor_cosines(torch.tensor([[3.0, 4.0]]), torch.tensor([[[1.0, 0.0], [0.0, 2.0], [-5.0, 0.0]]]))
    assert found.shape == (1, 1, 3)
    assert found.flatten().tolist() == pytest.approx([0.6, 0.8, -0.6])


# Class 0 has three images, two in subclass 0 and one in 1; subclass 2 is empty. Class 1 has one, in subclass 2.
CLOSEST, LABELS = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 0, 1])


def test_rare_subclasses_count_more_and_an_empty_one_is_skipped():
    """Class 0: N = (2, 1, 0), N_y = 3. Softmax over (1/2, 1): e^.5 / (e^.5 + e) = 0.377541 and 0.622459.
    alpha: 3 / 2 * 0.377541 = 0.566311 for each of two, 3 / 1 * 0.622459 = 1.867378 for one; sum 3 = N_y. Class 1: 1."""
    found = modulating_factor(CLOSEST, LABELS, (2, 3))
    assert found.tolist() == pytest.approx([0.566311, 0.566311, 1.867378, 1.0], abs=1e-5)


def test_the_codes_empty_subclass_takes_one_ninety_ninth_of_an_image():
    """Class 0: N = (2, 1, -1/99): N_y = 2.989899; softmax over (0.5, 1, -99) is as without the third, to e^-100.
    alpha: 2.989899 / 2 * 0.377541 = 0.564405, 2.989899 * 0.622459 = 1.861090. Class 1, two empty:
    1 - 2/99 = 0.979798."""
    found = modulating_factor(CLOSEST, LABELS, (2, 3), empty="code")
    assert found.tolist() == pytest.approx([0.564405, 0.564405, 1.861090, 0.979798], abs=1e-5)


def test_equal_subclasses_count_alike():
    """N = (1, 1): 2 / 1 * 1/2 = 1."""
    assert modulating_factor(torch.tensor([0, 1]), torch.tensor([1, 1]), (2, 2)).tolist() == [1.0, 1.0]


def test_factors_of_a_class_sum_to_its_images():
    rng = torch.Generator().manual_seed(4)
    labels, closest = (torch.randint(high, (97,), generator=rng) for high in (7, 5))
    sums = torch.zeros(7).index_add_(0, labels, modulating_factor(closest, labels, (7, 5)))
    torch.testing.assert_close(sums, torch.bincount(labels, minlength=7).float())


def test_the_loss_is_the_mean_of_weighted_rows():
    """Two images of class 0 in different subclasses (alpha 1 each), temperature 1: own best 2 against 0 and 0:
    ln(1 + 2 e^-2) = 0.239545; own best 1 against 0 and 0: ln(1 + 2 e^-1) = 0.551445. Mean 0.395495."""
    cosines = torch.tensor([[[2.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]])
    assert fine_grained_loss(cosines, torch.tensor([0, 0]), 1.0).item() == pytest.approx(0.395495, abs=1e-5)


def test_a_row_counts_by_the_size_of_the_subclass_that_it_is_closest_to():
    """Three images of class 0, two closest to subclass 0, one to subclass 1; temperature 1. Without alpha they cost
    0.239545 twice and 0.551445 (see above). alpha: 3 / 2 * softmax(0.5, 1)[0] = 0.566311 twice, and 3 * 0.622459
    = 1.867378. (2 * 0.135657 + 1.029756) / 3 = 0.433690."""
    near_first, near_second = [[2.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]
    cosines = torch.tensor([near_first, near_second, near_first])
    assert fine_grained_loss(cosines, torch.zeros(3).long(), 1.0).item() == pytest.approx(0.433690, abs=1e-5)


def test_without_the_modulating_factor_every_row_counts_alike():
    """The same rows: (0.239545 + 0.551445 + 0.239545) / 3 = 0.343512."""
    near_first, near_second = [[2.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]
    cosines, labels = torch.tensor([near_first, near_second, near_first]), torch.zeros(3).long()
    assert fine_grained_loss(cosines, labels, 1.0, modulated=False).item() == pytest.approx(0.343512, abs=1e-5)


def test_closest_of_equals_is_the_first():
    assert closest_descriptors(torch.zeros(2, 3, 4), torch.tensor([2, 0])).tolist() == [0, 0]
    assert closest_descriptors(COSINES.expand(2, -1, -1), torch.tensor([0, 1])).tolist() == [0, 1]


def test_no_gradient_flows_to_the_own_descriptors_that_are_not_closest():
    cosines = COSINES.clone().requires_grad_()
    fine_grained_loss(cosines, torch.tensor([0]), 0.1).backward()
    gradient = cosines.grad[0]
    assert gradient[0, 1] == 0.0
    assert gradient[0, 0] < 0 < gradient[1].min()


def test_one_descriptor_per_class_is_plain_cross_entropy():
    """K = 1: Eqs. 6 and 9 are both the cross-entropy of Eq. 11's logits, and alpha is 1."""
    rng = torch.Generator().manual_seed(2)
    cosines, labels = torch.randn(6, 4, 1, generator=rng), torch.tensor([0, 1, 2, 3, 0, 0])
    plain = torch.nn.functional.cross_entropy(descriptor_logits(cosines, 0.5), labels)
    torch.testing.assert_close(fine_grained_loss(cosines, labels, 0.5), plain)
    torch.testing.assert_close(descriptor_margin_loss(cosines, labels, 0.5), plain)


@pytest.mark.parametrize("loss", [fine_grained_loss, descriptor_margin_loss])
def test_gradients_are_those_of_finite_differences(loss):
    rng = torch.Generator().manual_seed(3)
    cosines = torch.rand(5, 3, 2, dtype=torch.float64, generator=rng).requires_grad_()
    labels = torch.tensor([0, 1, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda x: loss(x, labels, 0.5), cosines)


@pytest.mark.parametrize("loss", [fine_grained_loss, descriptor_margin_loss])
def test_sharp_temperatures_stay_finite(loss):
    cosines = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]], requires_grad=True)
    value = loss(cosines, torch.tensor([0]), 0.001)
    value.backward()
    assert math.isfinite(value.item())
    assert torch.isfinite(cosines.grad).all()
