import numpy as np
import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.learning.layers import FeatureScale, empty_linear, reset_linear
from pipeline.learning.rows import Rows

ROWS = torch.tensor([[3.0, 4.0, 5.0], [5.0, -4.0, 5.0]])


def test_raw_changes_nothing():
    assert FeatureScale("raw", 3)(ROWS) is ROWS


def test_l2_gives_norm_sqrt_d():
    """(3, 4) has norm 5: (0.6, 0.8) * sqrt(2)."""
    torch.testing.assert_close(FeatureScale("l2", 2)(torch.tensor([[3.0, 4.0]])), torch.tensor([[0.848528, 1.131371]]))


def test_l2_of_a_zero_feature_is_zero():
    assert FeatureScale("l2", 2)(torch.zeros(1, 2)).tolist() == [[0.0, 0.0]]


def test_standard_uses_the_fitted_mean_and_deviation():
    """Channels (3, 5) and (4, -4): means 4 and 0, deviations 1 and 4. The constant third channel becomes 0."""
    scale = FeatureScale("standard", 3)
    scale.fit(ROWS)
    torch.testing.assert_close(scale(ROWS), torch.tensor([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0]]))
    torch.testing.assert_close(scale(torch.tensor([[6.0, 8.0, 7.0]])), torch.tensor([[2.0, 2.0, 2.0]]))


def test_rounding_in_a_constant_channel_is_not_blown_up():
    scale = FeatureScale("standard", 1)
    scale.fit(torch.tensor([[1.0], [1.0 + 2**-23]]))
    assert scale(torch.tensor([[1.0]])).abs().item() < 1e-6


def test_unknown_scale_is_refused():
    with pytest.raises(ConfigError, match="raw, l2 or standard, found 'none'"):
        FeatureScale("none", 3)


def test_layers_draw_from_their_generator_only():
    before = torch.random.get_rng_state()
    layers = [empty_linear(4, 3), empty_linear(4, 3)]
    for layer in layers:
        reset_linear(layer, torch.Generator().manual_seed(0))
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert layers[0].weight.abs().max() <= 0.5  # 1 / sqrt(4)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("n_rows", "width"), [(3, 5), (840, 64), (501, 129)])
def test_a_scale_of_columns_at_a_time_is_that_of_all(n_rows, width):
    """Bit for bit: a head does not depend on how its scale was read."""
    views = tuple(np.random.default_rng(view).standard_normal((n_rows, width)).astype(np.float16) for view in range(2))
    rows = Rows({"pooled": views}, torch.zeros(n_rows, dtype=torch.int64), np.array([""] * n_rows))
    whole, blocks = FeatureScale("standard", width), FeatureScale("standard", width)
    whole.fit(rows.features())
    blocks.fit_columns(rows.column_blocks(n_columns=32))
    assert torch.equal(whole.mean, blocks.mean)
    assert torch.equal(whole.std, blocks.std)
