import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.methods.mask.groups import Groups


def test_512_channels_of_7_classes_are_six_times_73_and_74():
    assert Groups.even(512, 7).sizes == (73, 73, 73, 73, 73, 73, 74)


def test_code_compatible_groups_leave_channel_511_out():
    assert Groups.even(512, 7, pool_remainder=False).sizes == (73,) * 7


def test_8_classes_share_512_channels_evenly():
    assert Groups.even(512, 8).sizes == (64,) * 8


def test_fewer_channels_than_classes_are_refused():
    with pytest.raises(ConfigError, match="at least 7 channels, one per class, found 6"):
        Groups.even(6, 7)


def test_max_pool_takes_the_best_channel_of_each_group():
    """Groups (0, 1) and (2, 3, 4) of (1, -2, 0.5, 3, -1): 1 and 3."""
    assert Groups.even(5, 2).max_pool(torch.tensor([[1.0, -2.0, 0.5, 3.0, -1.0]])).tolist() == [[1.0, 3.0]]


def test_one_channel_takes_the_gradient_among_equals():
    """Both channels of the first group are 2: one of them gets all of it, as in max pooling."""
    gated = torch.tensor([[2.0, 2.0, 0.0, 5.0]], requires_grad=True)
    Groups.even(4, 2).max_pool(gated).sum().backward()
    assert gated.grad.tolist() in ([[1.0, 0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0, 1.0]])


def test_max_pool_ignores_channels_of_no_group():
    """Groups (0, 1) and (2, 3); channel 4 is the greatest and belongs to none."""
    groups = Groups.even(5, 2, pool_remainder=False)
    assert groups.max_pool(torch.tensor([[1.0, -2.0, 0.5, 0.25, 9.0]])).tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize("pool_remainder", [True, False])
def test_every_group_drops_exactly_ten_channels(pool_remainder):
    """10 / 73 of 73 is 10, of 74 it is 10.1, rounded 10; the authors' code, too, draws for 74 in the last group."""
    groups = Groups.even(512, 7, pool_remainder=pool_remainder)
    keep = groups.keep_mask(10 / 73, 4, torch.Generator().manual_seed(0))
    pieces = torch.split(keep, [73] * 6 + [74], dim=1)
    assert [piece.sum(dim=1).tolist() for piece in pieces] == [[63.0] * 4] * 6 + [[64.0] * 4]


def test_a_drop_may_fall_on_the_channel_that_is_never_pooled():
    """Groups (0, 1) and (2, 3), channel 4 in none: of the last three, round(0.3 * 3) = 1 is dropped, any of them."""
    keep = Groups(5, (2, 2)).keep_mask(0.3, 50, torch.Generator().manual_seed(0))
    assert keep[:, 2:].sum(dim=1).tolist() == [2.0] * 50
    assert set(keep[:, 4].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("groups", [Groups.even(10, 4), Groups.even(8, 8), Groups.even(11, 4, pool_remainder=False)])
def test_every_group_keeps_a_channel_that_is_pooled_however_many_are_dropped(groups):
    keep = groups.keep_mask(0.95, 500, torch.Generator().manual_seed(0))
    assert groups.max_pool(keep).min() == 1.0
    assert torch.equal(keep, groups.keep_mask(0.95, 500, torch.Generator().manual_seed(0)))


def test_keeping_one_channel_leaves_all_that_may_be_dropped_equally_likely():
    """Groups (0, 1) and (2, 3), channel 4 in none. Of the last three two are dropped, all but (2, 3): 2 or 3 is the one
    that stays, each with chance 1/2, and 4 never; of 20,000 rows, whose deviation is 71."""
    keep = Groups(5, (2, 2)).keep_mask(0.5, 20_000, torch.Generator().manual_seed(0))
    assert keep[:, :2].sum(dim=1).unique().tolist() == [1.0]
    assert keep[:, 4].sum() == 0
    assert abs(keep[:, 2].sum().item() - 10_000) < 300
    assert abs(keep[:, 0].sum().item() - 10_000) < 300


def test_samples_draw_masks_of_their_own():
    keep = Groups.even(512, 7).keep_mask(10 / 73, 2, torch.Generator().manual_seed(0))
    assert not torch.equal(keep[0], keep[1])


def test_drop_mask_follows_from_the_generator():
    draw = [Groups.even(64, 7).keep_mask(0.3, 1, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


@given(st.integers(2, 10), st.integers(10, 200))
def test_even_groups_part_all_channels(n_classes, n_channels):
    sizes = Groups.even(n_channels, n_classes).sizes
    assert sum(sizes) == n_channels
    assert len(set(sizes[:-1])) <= 1
    assert 0 <= sizes[-1] - sizes[0] < n_classes


@pytest.mark.parametrize("groups", [Groups.even(23, 7), Groups.even(23, 7, pool_remainder=False), Groups(9, (2, 3, 4))])
@pytest.mark.parametrize("n_masks", [0, 1, 6])
def test_maxima_and_gradients_are_those_of_each_group_by_itself(groups, n_masks):
    rng = torch.Generator().manual_seed(0)
    gated = torch.randn(6, groups.n_channels, generator=rng, requires_grad=True)
    keep = groups.keep_mask(0.3, n_masks, rng) if n_masks else None
    weights = torch.randn(6, len(groups.sizes), generator=rng)
    masked = gated if keep is None else gated * keep
    pieces = torch.split(masked[:, : sum(groups.sizes)], list(groups.sizes), dim=1)
    expected = torch.stack([piece.max(dim=1).values for piece in pieces], dim=1)
    (gradient,) = torch.autograd.grad((expected * weights).sum(), gated)
    pooled = groups.max_pool(gated, keep)
    assert torch.equal(pooled, expected)
    assert torch.equal(torch.autograd.grad((pooled * weights).sum(), gated)[0], gradient)


def test_a_group_draws_after_those_before_it():
    """What is dropped for a seed depends on the sizes alone: groups of one size are drawn as if one by one."""
    rng = torch.Generator().manual_seed(3)
    expected = torch.ones(4, 11)
    for start, stop in ((0, 3), (3, 6), (6, 11)):
        numbers = torch.rand(4, stop - start, generator=rng)
        expected[:, start:stop].scatter_(1, numbers.argsort(dim=1)[:, : round(0.4 * (stop - start))], 0.0)
    assert torch.equal(Groups.even(11, 3).keep_mask(0.4, 4, torch.Generator().manual_seed(3)), expected)
