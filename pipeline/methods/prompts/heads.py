"""What a text tower makes of learned prompts: while they are learned, and the descriptors that are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.encoders.prompt_tower import require_prompts
from pipeline.learning.eager import eager_function
from pipeline.learning.head import Head, Inputs
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.tower import OnTower, TunedTower
from pipeline.methods.prompts.losses import descriptor_cosines, descriptor_logits
from pipeline.methods.prompts.prompts import MetaNet, Prompts, learned_positions, prompt_row

if TYPE_CHECKING:
    from pipeline.encoders.torch_encoder import TorchEncoder

__all__ = ["CocoopHead", "DescriptorHead", "PromptHead", "TunedDescriptorHead"]


class DescriptorHead(Head, kind="descriptors"):
    """What is left of learned prompts: the vectors that the text tower made of them. It needs no tower.

    Equation: logits[b, c] = (1 / K) * sum_j cos(v_b, T_c^j) / temperature   [CLIPER, Eq. 11]

    Options: `n_descriptors` (K; 1 is a prompt per class, as in CoOp), `temperature`.

    Parameters
    ----------
    spec : HeadSpec
    width : D of what `features` gives; by default that of the cached feature
    """

    descriptors: Tensor

    def __init__(self, spec: HeadSpec, width: int | None = None) -> None:
        super().__init__(spec)
        self.temperature: float = spec.options["temperature"]
        shape = (len(spec.classes), spec.options["n_descriptors"], spec.width if width is None else width)
        self.register_buffer("descriptors", torch.zeros(shape))

    def reset(self, rng: torch.Generator) -> None:
        """Nothing to draw: `set_descriptors` gives it its values."""

    def set_descriptors(self, vectors: Tensor) -> None:
        """Take the vectors, float32 (C, K, D), in the order of the classes."""
        self.descriptors.copy_(vectors.detach())

    def features(self, inputs: Inputs) -> Tensor:
        """Faces, as the store holds them, to the features that are compared, float32 (B, D)."""
        scaled: Tensor = self.scale(inputs["pooled"])
        return scaled

    def cosines(self, features: Tensor) -> Tensor:
        """Features, float32 (B, D), to all descriptors: float32 (B, C, K)."""
        return descriptor_cosines(features, self.descriptors)

    def logits(self, inputs: Inputs) -> Tensor:
        return descriptor_logits(self.cosines(self.features(inputs)), self.temperature)


_POSITIONS_AT_ONCE = 2048  # of prompts, through the text tower: 0.75 GB with gradients at ViT-B's size


class PromptHead(Head):
    """K prompts per class, equal for all images. It is only trained: `as_descriptors` is what is saved.

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


class CocoopHead(Head, kind="cocoop"):
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
        tower, options = require_prompts(encoder), spec.options
        words = tower.words(options["words"])
        n_tokens = len(words) or options["tokens"]
        self.start: Tensor | float = tower.embed(words) if words else options["init_std"]
        rows = [prompt_row(tower, learned_positions(0, n_tokens), name, options["suffix"]) for name in spec.classes]
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
        recomputed = [eager_function(checkpoint)(self._logits, chunk, use_reentrant=False) for chunk in chunks]
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


class TunedDescriptorHead(OnTower, DescriptorHead, kind="tuned-descriptors"):
    """The network's feature against descriptors: see `DescriptorHead`. Reads one output, `pixels` or `block-K`."""

    def __init__(self, spec: HeadSpec, encoder: TorchEncoder) -> None:
        super().__init__(spec, encoder.width)
        self.tower = TunedTower(encoder, *spec.inputs)

    def representation(self, inputs: Inputs) -> Tensor:
        return self.features(inputs)
