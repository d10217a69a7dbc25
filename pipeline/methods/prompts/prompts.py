"""Prompts with learned tokens in them, and what a frozen text tower makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.prompt_tower import PromptTower
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.methods.prompts.options import ContextUse

__all__ = ["MetaNet", "Prompts", "learned_positions", "prompt_row"]


def learned_positions(start: int, stop: int) -> list[int]:
    """Places of the learned tokens start .. stop - 1 in a row of `Prompts`."""
    return [-1 - token for token in range(start, stop)]


def prompt_row(tower: PromptTower, *pieces: str | Sequence[int]) -> list[int]:
    """A row of `Prompts`: words and places, one after the other, between start and end."""
    ids = [token for piece in pieces for token in (tower.words(piece) if isinstance(piece, str) else piece)]
    return [*tower.start, *ids, tower.end]


class Prompts:
    """P prompts of fixed words and places for learned tokens.

    Every position that can be left out is: under a causal mask nothing after the end of a prompt is computed, what all
    prompts begin with is computed once for all of them, and once for ever where no learned token is in it. The vectors
    are those of the full context, to rounding.

    Parameters
    ----------
    tower : PromptTower
    rows : P prompts, each its token ids from start to end; places are made by `learned_positions`
    shared_tokens : whether a place holds the same vector in all prompts
    context : `full` computes every position of the tower's context, as the authors' codes do. A tower that looks at
        the padding is always run so.

    Raises
    ------
    ConfigError
        If a prompt is longer than the context.
    """

    def __init__(
        self,
        tower: PromptTower,
        rows: Sequence[Sequence[int]],
        *,
        shared_tokens: bool = False,
        context: ContextUse = "truncated",
    ) -> None:
        self.tower, self.shared_tokens = tower, shared_tokens
        self.whole = context == "full" or not tower.truncates
        tower.require_positions(longest := max(map(len, rows)))
        width = tower.context if self.whole else longest
        ids = torch.tensor([[*row, *[tower.pad] * (width - len(row))] for row in rows], device=tower.device)
        self.ends = torch.tensor([len(row) - 1 for row in rows], device=tower.device)
        self.is_place = (ids < 0).unsqueeze(2)  # (P, T, 1)
        self.places = (-1 - ids).clamp(min=0).unsqueeze(2)  # (P, T, 1)
        self.fixed = torch.stack([tower.embed(row) for row in ids.clamp(min=0).tolist()])  # (P, T, W)
        self.n_constant, self.n_alike = (0, 0) if self.whole else self._beginnings(ids)
        self.constant = None
        if self.n_constant:
            with torch.no_grad():
                self.constant = tower.prefix(self.fixed[:1, : self.n_constant])

    def __len__(self) -> int:
        """P."""
        return len(self.fixed)

    @property
    def n_positions(self) -> int:
        """How many positions the tower computes for one version of the prompts."""
        n_prompts, length, _ = self.fixed.shape
        return self.n_alike - self.n_constant + n_prompts * (length - self.n_alike)

    def encode(self, tokens: Tensor) -> Tensor:
        """The vectors of G versions of the prompts.

        Parameters
        ----------
        tokens : float32, shape (G, P, M, W), or (G, 1, M, W) where prompts share theirs
            The learned tokens.

        Returns
        -------
        float32, shape (G, P, D), raw; differentiable in the tokens
        """
        embedded = self.embedded(tokens.to(self.tower.device))  # the head may be elsewhere than the encoder
        n_versions, n_prompts = embedded.shape[:2]
        after = self.constant
        if self.n_alike > self.n_constant:
            after = self.tower.prefix(embedded[:, 0, self.n_constant : self.n_alike], after).each(n_prompts)
        own, ends = embedded[:, :, self.n_alike :].flatten(0, 1), (self.ends - self.n_alike).repeat(n_versions)
        return self.tower.encode(own, ends, after).view(n_versions, n_prompts, -1).to(tokens.device)

    def embedded(self, tokens: Tensor) -> Tensor:
        """The prompts with `tokens` (as `encode` takes them) in their places: (G, P, T, W), without positions."""
        tokens = tokens.expand(-1, len(self), -1, -1)
        return torch.where(self.is_place, tokens.take_along_dim(self.places.unsqueeze(0), dim=2), self.fixed)

    def _beginnings(self, ids: Tensor) -> tuple[int, int]:
        """With how many positions all prompts begin that hold no learned token, and that are alike."""
        same = (ids == ids[0]).all(dim=0)
        same[int(self.ends.min()) :] = False  # the end is where each prompt's own vector is read
        constant = _leading(same & (ids[0] >= 0))
        return constant, _leading(same) if self.shared_tokens else constant


class MetaNet(nn.Module):
    """CoCoOp's shift of all context tokens by what the image is.

    Equation: pi = W2 relu(W1 v + b1) + b2, v of unit norm   [CoCoOp, Sec. 3.2]

    Parameters
    ----------
    n_in : D of the image feature
    n_out : W of the text tower
    reduction : the hidden layer is D // reduction wide, 16 in the paper, but no narrower than 1
    """

    def __init__(self, n_in: int, n_out: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(n_in // reduction, 1)
        self.narrow, self.wide = empty_linear(n_in, hidden), empty_linear(hidden, n_out)

    def reset(self, rng: torch.Generator) -> None:
        for layer in (self.narrow, self.wide):
            reset_linear(layer, rng)

    def forward(self, features: Tensor) -> Tensor:
        """Raw features, float32 (B, D) -> float32 (B, W)."""
        shift: Tensor = self.wide(functional.relu(self.narrow(functional.normalize(features, dim=1))))
        return shift


def _leading(flags: Tensor) -> int:
    """How many are true before the first that is not."""
    return int(flags.int().cumprod(dim=0).sum())
