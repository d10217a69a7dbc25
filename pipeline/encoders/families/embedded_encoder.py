"""Loads `untrained`: a small open_clip model with seeded random weights, which knows nothing."""

from __future__ import annotations

import json
from functools import partial

import open_clip
import torch

from pipeline.encoders.families.embedded_family import UNTRAINED_CONFIG
from pipeline.encoders.families.open_clip_config import parse_config
from pipeline.encoders.families.open_clip_encoder import ModelFacts, build_encoder
from pipeline.encoders.spec import EncoderSpec
from pipeline.encoders.text_encoder import PromptableEncoder
from pipeline.encoders.weights import state_sha256
from pipeline.progress import OnProgress, silent

__all__ = ["load_untrained"]

_NOTE = "untrained: seeded random weights, knows nothing about faces; its numbers say nothing about CLIP"
_SEED = 0


def load_untrained(spec: EncoderSpec, device: torch.device, on_progress: OnProgress = silent) -> PromptableEncoder:
    """A small open_clip model with seeded random weights: knows nothing."""
    config, preprocess = parse_config(json.loads(UNTRAINED_CONFIG.read_text()), str(UNTRAINED_CONFIG))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)  # torch.manual_seed would reach the GPUs' too
        model = open_clip.CLIP(**config)
    tokenizer = partial(open_clip.SimpleTokenizer, context_length=config["text_cfg"]["context_length"])
    facts = ModelFacts(spec.architecture, config, state_sha256(model), preprocess, note=_NOTE)
    return build_encoder(model, tokenizer, facts, device)
