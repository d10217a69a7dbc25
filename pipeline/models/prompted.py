"""Heads while their prompts are being learned: the text tower is run anew for every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.losses.descriptors import descriptor_cosines, descriptor_logits
from pipeline.models.descriptors import DescriptorHead
from pipeline.models.head import Head, Inputs
from pipeline.models.prompt_learners import MetaNet, Prompts, learned, prompt_row
from pipeline.models.spec import HeadSpec

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["CocoopHead", "PromptHead"]

_POSITIONS_AT_ONCE = 2048  # of prompts, through the text tower: 0.75 GB with gradients at ViT-B's size


class PromptHead(Head):
    """K prompts per class, equal for all images. It is only trained: `as_descriptors` is what is kept.

    Parameters
    ----------
    spec : of the DescriptorHead that it becomes
    prompts : C * K, class by class
    n_tokens : M
    start : the first values of all tokens: float32 (M, W), or the deviation of normal ones around 0
    """

    def __init__(self, spec: HeadSpec, prompts: Prompts, n_tokens: int, start: Tensor | float) -> None:
        super().__init__(spec)
        self.prompts, self.start = prompts, start
        owners = 1 if prompts.shared_tokens else len(prompts)
        self.tokens = nn.Parameter(torch.empty(owners, n_tokens, prompts.tower.width))

    def reset(self, rng: torch.Generator) -> None:
        _reset_tokens(self.tokens, self.start, rng)

    def descriptors(self) -> Tensor:
        """What the tower makes of the prompts now: float32 (C, K, D), differentiable."""
        vectors = self.prompts.encode(self.tokens.unsqueeze(0))[0]
        return vectors.view(len(self.spec.classes), self.spec.options["n_descriptors"], -1)

    def cosines(self, inputs: Inputs) -> Tensor:
        """(B, C, K): of the images to the descriptors."""
        return descriptor_cosines(inputs["pooled"], self.descriptors())

    def logits(self, inputs: Inputs) -> Tensor:
        return descriptor_logits(self.cosines(inputs), self.spec.options["temperature"])

    @torch.no_grad()
    def as_descriptors(self) -> DescriptorHead:
        """The head that needs no tower any more, with equal logits."""
        head = DescriptorHead(self.spec)
        head.to(self.tokens.device).set_descriptors(self.descriptors())
        return head.eval()


class CocoopHead(Head):
    """Every image gets prompts of its own: a small network shifts all context tokens by what the image is.

    Equation: logits[b, c] = s * cos(v_b, g([tokens + pi(v_b)] [name of c])), s the model's logit scale
    [CoCoOp, Sec. 3.2]

    The text tower runs for every image, at prediction too: the head is a part of the encoder, whose weights it does not
    hold. What the classes' prompts begin with is computed once per image.

    Options: `words` (the tokens' first values; `` for normal ones of deviation `init_std`), `tokens` (their number
    without words), `suffix`, `reduction` (of the network), `context`.
    """

    needs_encoder = True
    not_in_onnx = "it runs its encoder's text tower for every image"
    predict_rows = 256

    def __init__(self, spec: HeadSpec, encoder: TorchEncoder) -> None:
        super().__init__(spec)
        tower, options = encoder.prompts, spec.options
        words = tower.words(options["words"])
        n_tokens = len(words) or options["tokens"]
        self.start: Tensor | float = tower.embed(words) if words else options["init_std"]
        rows = [prompt_row(tower, learned(0, n_tokens), name, options["suffix"]) for name in spec.classes]
        self.prompts = Prompts(tower, rows, shared_tokens=True, context=options["context"])
        self.tokens = nn.Parameter(torch.empty(n_tokens, tower.width))
        self.shift = MetaNet(spec.width, tower.width, options["reduction"])

    def reset(self, rng: torch.Generator) -> None:
        _reset_tokens(self.tokens, self.start, rng)
        self.shift.reset(rng)

    def logits(self, inputs: Inputs) -> Tensor:
        chunks = torch.split(inputs["pooled"], max(_POSITIONS_AT_ONCE // self.prompts.n_positions, 1))
        if len(chunks) == 1 or not torch.is_grad_enabled():
            return torch.cat([self._logits(chunk) for chunk in chunks])
        # Each chunk's activations are computed again when its gradient is: only one chunk's are held at a time.
        recomputed = [checkpoint(self._logits, chunk, use_reentrant=False) for chunk in chunks]
        return torch.cat(recomputed)

    def _logits(self, images: Tensor) -> Tensor:
        tokens = self.tokens + self.shift(images).unsqueeze(1)  # (B, M, W)
        text = self.prompts.encode(tokens.unsqueeze(1))  # (B, C, D)
        return nn.functional.cosine_similarity(images.unsqueeze(1), text, dim=2) * self.prompts.tower.logit_scale


def _reset_tokens(tokens: nn.Parameter, start: Tensor | float, rng: torch.Generator) -> None:
    if isinstance(start, Tensor):
        with torch.no_grad():
            tokens.copy_(start)
    else:
        nn.init.normal_(tokens, std=start, generator=rng)
