"""Channel separation: every class owns a contiguous group of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from pipeline.errors import ConfigError, MismatchError

__all__ = ["Groups"]


@dataclass(frozen=True)
class Groups:
    """Contiguous channel groups, one per class, in class order.

    Parameters
    ----------
    n_channels : D
    sizes : C group sizes
        They start at channel 0; channels after the last group are in none: never pooled.
    """

    n_channels: int
    sizes: tuple[int, ...]

    @classmethod
    def even(cls, n_channels: int, n_classes: int, *, pool_remainder: bool = True) -> Groups:
        """Groups of floor(D / C) channels; the remainder goes to the last class, or to none.

        512 channels and 7 classes give six groups of 73 and one of 74 [CAFE, Sec. 4.2]; without the remainder seven
        groups of 73, and channel 511 is never pooled, as in the authors' code.

        Raises
        ------
        ConfigError
            If there are fewer channels than classes.
        """
        size, remainder = divmod(n_channels, n_classes)
        if not size:
            raise ConfigError(
                f"channel groups: expected at least {n_classes} channels, one per class, found {n_channels}. "
                "Use an encoder with wider features"
            )
        return cls(n_channels, (size,) * (n_classes - 1) + (size + remainder * pool_remainder,))

    def max_pool(self, gated: Tensor, keep: Tensor | None = None) -> Tensor:
        """The greatest channel of every group: (B, D) -> (B, C).

        Among equals the first one takes the gradient, as in max pooling.

        Parameters
        ----------
        gated : float32, shape (B, D)
        keep : factors of the channels before they are compared, float32 (1, D) or (B, D); all 1 unless given

        Raises
        ------
        MismatchError
            If `gated` does not have D channels.
        """
        if gated.shape[1] != self.n_channels:
            raise MismatchError(
                f"channel groups: expected {self.n_channels} channels, found {gated.shape[1]}. "
                "Build the groups for the width of the features"
            )
        values = gated.detach()
        if keep is None:
            return gated.gather(1, self._greatest(values))
        # Only what is pooled is multiplied again for the gradient: C of D channels.
        best = self._greatest(values * keep)
        return gated.gather(1, best) * keep.expand_as(gated).gather(1, best)

    def _greatest(self, values: Tensor) -> Tensor:
        """Which channel is the greatest of every group: (B, D) -> int64 (B, C), groups of one size together."""
        best = []
        for start, stop, size in self._runs():
            pieces = values[:, start:stop].view(len(values), -1, size)
            best.append(pieces.max(dim=2).indices + torch.arange(start, stop, size, device=values.device))
        return best[0] if len(best) == 1 else torch.cat(best, dim=1)

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        """Neighbouring groups of one size: first channel, the one after the last, and the size."""
        start = 0
        for size, alike in groupby(self.sizes):
            stop = start + size * len(list(alike))
            yield start, stop, size
            start = stop

    def keep_mask(self, drop_rate: float, n_rows: int, rng: torch.Generator) -> Tensor:
        """A random mask that drops round(drop_rate * size) channels of every group, but keeps at least one of each.

        A group without a channel would have 0 as its best one, whatever is in the picture. So no more than size - 1 are
        dropped, each set of that many with the same chance.

        Here channels of no group count as the last group's: the authors' code draws for 74 channels and pools 73. Draws
        that would drop all channels that are pooled are drawn again, which leaves the chances of all others equal.

        Parameters
        ----------
        drop_rate : float in [0, 1)
        n_rows : 1 draws one mask for a whole batch, B draws one per sample
        rng : torch.Generator

        Returns
        -------
        float32, 0 or 1, shape (n_rows, D)
        """
        keep = torch.ones(n_rows, self.n_channels)
        rest = self.n_channels - sum(self.sizes[:-1])
        drawn = torch.rand(n_rows * self.n_channels, generator=rng)  # group by group
        start = 0
        for size, alike in groupby([*self.sizes[:-1], rest]):
            n_groups = len(list(alike))
            stop = start + n_groups * size
            numbers = drawn[n_rows * start : n_rows * stop].view(n_groups, n_rows, size)
            groups = keep[:, start:stop].view(n_rows, n_groups, size).transpose(0, 1)  # a view of keep
            _drop(groups, self._n_dropped(drop_rate, size), numbers)
            start = stop
        self._draw_again_where_nothing_is_pooled(keep[:, -rest:], self._n_dropped(drop_rate, rest), rng)
        return keep

    @staticmethod
    def _n_dropped(drop_rate: float, size: int) -> int:
        return min(round(drop_rate * size), size - 1)

    def _draw_again_where_nothing_is_pooled(self, group: Tensor, n_dropped: int, rng: torch.Generator) -> None:
        """The last group's rows of a mask: only where not all of it is pooled can all that is pooled be dropped."""
        size = self.sizes[-1]
        while n_dropped >= size and (empty := ~group[:, :size].any(dim=1)).any():
            again = torch.ones(int(empty.sum()), group.shape[1])
            _drop(again, n_dropped, torch.rand(again.shape, generator=rng))
            group[empty] = again


def _drop(keep: Tensor, n: int, numbers: Tensor) -> None:
    """Set `n` channels of each row of (..., size) to 0: those with the lowest of `numbers`, of the same shape."""
    keep.scatter_(-1, numbers.argsort(dim=-1)[..., :n], 0.0)
