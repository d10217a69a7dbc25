"""A frozen text tower that is fed vectors in place of words, at no more positions than a prompt has."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.protocols import Encoder, TextEncoder, encoder_name, require_text_encoder
from pipeline.errors import ConfigError, EncoderError

__all__ = ["Prefix", "PromptEncoder", "PromptTower", "TextParts", "require_prompts"]

_POOLED_AT_END = ("argmax", "eos")


@dataclass(frozen=True)
class Prefix:
    """What later positions need of those before them: keys and values of every layer, each (G, H, T, W / H)."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    def __len__(self) -> int:
        """T, the positions that it replaces."""
        return self.layers[0][0].shape[2]

    def each(self, n: int) -> Prefix:
        """Every one of the G prefixes n times in a row: for G groups of n prompts."""
        return Prefix(tuple((_each(keys, n), _each(values, n)) for keys, values in self.layers))


@dataclass(frozen=True)
class TextParts:
    """What a text transformer is made of.

    Parameters
    ----------
    embedding, positions : of the tokens; positions are (context, W)
    blocks : residual attention blocks of open_clip's kind
    final_norm, projection : from the pooled position to the vector
    pool : argmax | eos (both: at the end), last or first
    causal : whether no position sees a later one
    """

    embedding: nn.Embedding
    positions: Tensor
    blocks: Sequence[Any]
    final_norm: nn.Module
    projection: Tensor | nn.Module | None
    pool: str
    causal: bool

    def project(self, pooled: Tensor) -> Tensor:
        if isinstance(self.projection, nn.Module):
            projected: Tensor = self.projection(pooled)
            return projected
        return pooled if self.projection is None else pooled @ self.projection


class PromptTower:
    """Embedded prompts to vectors, differentiably; the tower's own weights stay frozen and belong to the encoder.

    A prompt is start, words, end, and then padding up to the context. Under a causal mask no position sees a later
    one, so the vector at the end never depends on the padding, and prompts that begin alike share what their beginning
    costs. Towers that look at the padding (no causal mask, or pooled at the last position) need all positions.

    It is no module on purpose: a head that holds it neither trains nor saves it.

    Parameters
    ----------
    text : the frozen tower
    tokenizer : sentences -> int64 (P, context), padded
    decode : ids -> their text
    logit_scale : the factor on cosines that the model was trained with
    """

    def __init__(
        self,
        text: TextParts,
        tokenizer: Callable[[list[str]], Tensor],
        decode: Callable[[list[int]], str],
        logit_scale: float,
    ) -> None:
        self._text, self._tokenizer, self._decode = text, tokenizer, decode
        self.logit_scale = logit_scale
        self.context, self.width = text.positions.shape
        empty, word = (row.tolist() for row in tokenizer(["", "a"]))
        n_start = next(i for i, (a, b) in enumerate(zip(empty, word, strict=True)) if a != b)
        self.start: list[int] = empty[:n_start]
        self.end: int = empty[n_start]
        self.pad: int = empty[-1]

    @property
    def truncates(self) -> bool:
        """Whether positions after the end can be left out."""
        return self._text.causal and self._text.pool in _POOLED_AT_END

    @property
    def device(self) -> torch.device:
        return self._text.positions.device

    def words(self, sentence: str) -> list[int]:
        """The ids of a sentence, without start and end.

        Raises
        ------
        ConfigError
            If the sentence fills the context: the tokenizer would cut it silently.
        """
        ids = self._tokenizer([sentence])[0].tolist()[len(self.start) :]
        n = ids.index(self.end) if self.end in ids else len(ids)
        if n >= len(ids) - 1:
            raise ConfigError(
                f"prompt {textwrap.shorten(sentence, 60)!r}: expected fewer than {len(ids) - 1} tokens, all that the "
                "text tower takes, found as many or more. Shorten it"
            )
        return [int(token) for token in ids[:n]]

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Rows of the token embedding: n ids -> float32 (n, W), without gradient."""
        return self._text.embedding.weight.detach()[torch.tensor(ids, dtype=torch.int64, device=self.device)]

    def prefix(self, embedded: Tensor, after: Prefix | None = None) -> Prefix:
        """What `embedded`, float32 (G, T, W), leaves for the positions after it; differentiable.

        Raises
        ------
        EncoderError
            If the tower's earlier positions see later ones.
        """
        if not self.truncates:
            raise EncoderError("a text tower that looks at the padding has no prefix to share. Use context: full")
        return self._run(embedded, after)[1]

    def encode(self, embedded: Tensor, ends: Tensor, after: Prefix | None = None) -> Tensor:
        """The vectors of P prompts.

        Parameters
        ----------
        embedded : float32, shape (P, T, W)
            Token embeddings without positions; all of the context, padding included, unless the tower truncates.
        ends : int64, shape (P,)
            Where in `embedded` the end-of-text is.
        after : Prefix of P beginnings, or of one for all

        Returns
        -------
        float32, shape (P, D), raw

        Raises
        ------
        ConfigError
            If there are more positions than the context has.
        EncoderError
            If the tower needs all positions, and there are fewer.
        """
        if not self.truncates and embedded.shape[1] != self.context:
            raise EncoderError(
                f"this text tower looks at the padding: expected all {self.context} positions, found "
                f"{embedded.shape[1]}. Use context: full"
            )
        hidden = self._run(embedded, after)[0]
        if self._text.pool in _POOLED_AT_END:
            pooled = hidden[torch.arange(len(hidden), device=hidden.device), ends]  # (P, T, W) -> (P, W)
        else:
            pooled = hidden[:, -1 if self._text.pool == "last" else 0]
        return self._text.project(self._text.final_norm(pooled))

    def nearest_words(self, vectors: Tensor, n: int = 5) -> list[list[tuple[str, float]]]:
        """The words whose embeddings are nearest to each of the vectors, float32 (N, W): Euclidean, nearest first."""
        rows = self._text.embedding.weight.detach()
        distances = torch.cdist(vectors.detach().to(self.device), rows)  # (N, W) x (vocabulary, W) -> (N, vocabulary)
        return [
            [
                (self._decode([token]).strip(), round(row[token].item(), 4))
                for token in row.topk(n, largest=False).indices.tolist()
            ]
            for row in distances
        ]

    def require_positions(self, n: int) -> None:
        """Refuse prompts of n positions, start and end included, if the context has fewer: ConfigError."""
        if n > self.context:
            raise ConfigError(
                f"prompt: expected at most {self.context} positions, those of the text tower, found {n}. "
                "Use fewer learned tokens or shorter words"
            )

    def _run(self, embedded: Tensor, after: Prefix | None) -> tuple[Tensor, Prefix]:
        before, length = 0 if after is None else len(after), embedded.shape[1]
        self.require_positions(before + length)
        hidden = embedded + self._text.positions[before : before + length]
        mask = None
        if self._text.causal:
            mask = torch.ones(length, before + length, dtype=torch.bool, device=hidden.device).tril(before)
        layers = []
        for i, block in enumerate(self._text.blocks):
            hidden, layer = _through(block, hidden, None if after is None else after.layers[i], mask)
            layers.append(layer)
        return hidden, Prefix(tuple(layers))


class PromptEncoder(TextEncoder, Protocol):
    """A text encoder in whose text tower prompts can be learned."""

    @property
    def prompts(self) -> PromptTower:
        """The text tower, fed embedded tokens. Its weights are those of the encoder, frozen.

        Raises
        ------
        EncoderError
            If prompts cannot be learned in a text tower of this kind.
        """


def require_prompts(encoder: Encoder) -> PromptTower:
    """The text tower of an encoder, for learned prompts.

    Raises
    ------
    EncoderError
        If there is no text tower, or one of a kind that prompts cannot be learned in.
    """
    require_text_encoder(encoder)
    if not _has_prompts(encoder):
        raise EncoderError(
            f"{encoder_name(encoder)}: prompts are learned in open_clip's own text transformers, found "
            f"{type(encoder).__name__}. Use an encoder such as open_clip:ViT-B-32-quickgelu/openai"
        )
    return encoder.prompts


def _has_prompts(encoder: Encoder) -> TypeGuard[PromptEncoder]:
    return hasattr(type(encoder), "prompts")  # not of the encoder itself: that would build the tower


def _through(
    block: Any, hidden: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One of open_clip's residual blocks on (P, T, W), whose attention also sees the keys and values of `past`."""
    attention = block.attn
    joint = functional.linear(block.ln_1(hidden), attention.in_proj_weight, attention.in_proj_bias)
    # (P, T, 3W) -> 3 x (P, H, T, W / H)
    queries, keys, values = joint.view(*joint.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    if past is not None:
        keys = torch.cat([past[0].expand(len(keys), -1, -1, -1), keys], dim=2)
        values = torch.cat([past[1].expand(len(values), -1, -1, -1), values], dim=2)
    mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    hidden = hidden + block.ls_1(attention.out_proj(mixed.transpose(1, 2).flatten(2)))
    return hidden + block.ls_2(block.mlp(block.ln_2(hidden))), (keys, values)


def _each(tensor: Tensor, n: int) -> Tensor:
    return tensor if len(tensor) == 1 else tensor.repeat_interleave(n, dim=0)
