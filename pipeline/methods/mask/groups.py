"""Channel separation: every class owns a contiguous group of channels."""

from __future__ import annotations

from dataclasses import dataclass

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

    def max_pool(self, gated: Tensor) -> Tensor:
        """The greatest channel of every group: (B, D) -> (B, C).

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
        pieces = torch.split(gated[:, : sum(self.sizes)], list(self.sizes), dim=1)
        # max, not amax: among equals one channel takes the gradient, as in max pooling, and in less time.
        return torch.stack([piece.max(dim=1).values for piece in pieces], dim=1)

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
        for size, group in zip(self.sizes, torch.split(keep, [*self.sizes[:-1], rest], dim=1), strict=True):
            n_dropped = min(round(drop_rate * group.shape[1]), group.shape[1] - 1)
            _drop(group, n_dropped, rng)  # a view of keep
            # Only where not all of the last group is pooled can all that is pooled be dropped.
            while n_dropped >= size and (empty := ~group[:, :size].any(dim=1)).any():
                again = torch.ones(int(empty.sum()), group.shape[1])
                _drop(again, n_dropped, rng)
                group[empty] = again
        return keep


def _drop(keep: Tensor, n: int, rng: torch.Generator) -> None:
    """Set `n` channels of each row of (n_rows, size) to 0, every set of them with the same chance."""
    keep.scatter_(1, torch.rand(keep.shape, generator=rng).argsort(dim=1)[:, :n], 0.0)
