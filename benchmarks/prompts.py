"""A step of prompt learning, forward and backward, with a random text tower of ViT-B-32's size."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import open_clip
import torch
from machine import show
from timing import in_turns
from torch import Tensor

from pipeline.encoders.families.open_clip_prompts import open_clip_prompts
from pipeline.encoders.prompt_tower import PromptTower
from pipeline.models.prompt_learners import Prompts, learned, prompt_row
from pipeline.tables.labels import expressions

CLASSES = expressions(7)
DESCRIPTORS, IMAGES = 5, 4
TOLERANCE = 1e-3  # of vectors of length about 20


def model_of_its_size() -> Any:
    """ViT-B-32's text tower with random weights; the image tower is small and not used."""
    config = open_clip.get_model_config("ViT-B-32")
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 32}
    torch.manual_seed(0)
    return open_clip.CLIP(config["embed_dim"], vision, config["text_cfg"]).eval().requires_grad_(False)


def layouts(tower: PromptTower) -> dict[str, tuple[list[list[int]], Tensor, bool]]:
    """Method -> rows, first tokens (G, P or 1, M, W), whether prompts share them."""
    rng = torch.Generator().manual_seed(0)

    def tokens(*shape: int) -> Tensor:
        return 0.02 * torch.randn(*shape, tower.width, generator=rng)

    def named(n: int) -> list[list[int]]:
        return [prompt_row(tower, learned(0, n), name, ".") for name in CLASSES]

    n_prompts = len(CLASSES) * DESCRIPTORS
    metd = [prompt_row(tower, "an ID photo of", learned(0, 4), ".")] * n_prompts
    return {
        f"metd: {n_prompts} descriptors of 4 tokens": (metd, tokens(1, n_prompts, 4), False),
        "coop: 7 classes, 16 tokens": (named(16), tokens(1, 1, 16), True),
        f"cocoop: {IMAGES} images x 7 classes, 4 tokens": (named(4), tokens(IMAGES, 1, 4), True),
    }


def steps(model: Any, tower: PromptTower, rows: list[list[int]], first: Tensor, shared: bool) -> dict[str, Any]:
    """Ways to the same vectors and gradients: each returns the vectors."""
    full = Prompts(tower, rows, shared_tokens=shared, context="full")
    shortened = Prompts(tower, rows, shared_tokens=shared)

    def stepped(encode: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        def step() -> Tensor:
            vectors = encode(first.clone().requires_grad_())
            vectors.square().sum().backward()
            return vectors.detach()

        return step

    def as_open_clip(tokens: Tensor) -> Tensor:
        hidden = full.embedded(tokens).flatten(0, 1) + model.positional_embedding
        hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask))
        ends = full.ends.repeat(len(tokens))
        return (hidden[torch.arange(len(hidden)), ends] @ model.text_projection).view(len(tokens), len(rows), -1)

    def cut_only(tokens: Tensor) -> Tensor:
        embedded = shortened.embedded(tokens)
        vectors = tower.encode(embedded.flatten(0, 1), shortened.ends.repeat(len(tokens)))
        return vectors.view(len(tokens), len(rows), -1)

    return {
        "open_clip": stepped(as_open_clip),
        "full": stepped(full.encode),
        "cut": stepped(cut_only),
        "truncated": stepped(shortened.encode),
        "positions": (full.n_positions, shortened.n_positions),
    }


def measure(ways: dict[str, Any], n_versions: int, turns: int) -> dict[str, Any]:
    """Seconds of open_clip's own step, and how many times as fast the others are."""
    before, after = ways.pop("positions")
    vectors = {name: step() for name, step in ways.items()}
    difference = max((found - vectors["open_clip"]).abs().max().item() for found in vectors.values())
    assert difference < TOLERANCE, difference
    seconds = in_turns(ways, turns)
    own = seconds["open_clip"]
    return {
        "open_clip_s": round(own, 2),
        "times_as_fast": {
            "context: full": round(own / seconds["full"], 1),
            "cut after the longest prompt": round(own / seconds["cut"], 1),
            "context: truncated (cut, beginnings shared)": round(own / seconds["truncated"], 1),
        },
        "positions": {"full": before * n_versions, "truncated": after * n_versions},
        "largest_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="of which the median is taken")
    turns = parser.parse_args().turns
    model = model_of_its_size()
    tower = open_clip_prompts(model, open_clip.SimpleTokenizer(), "random ViT-B-32")
    results = {
        name: measure(steps(model, tower, rows, first, shared), len(first), turns)
        for name, (rows, first, shared) in layouts(tower).items()
    }
    show({"what": "one step of prompt learning, forward and backward", "threads": torch.get_num_threads()} | results)


if __name__ == "__main__":
    main()
