"""Tiny BLIP and ALIGN models of the real classes with random weights, saved as the hub has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AlignConfig, AlignModel, BertTokenizer, BlipConfig, BlipForImageTextRetrieval
from transformers.utils import logging

__all__ = ["WIDTHS", "reference_vectors", "write_model", "write_tokenizer"]

logging.disable_progress_bar()  # it writes to stderr whatever is asked of it

_WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a face of person photo is sad happy anger fear surprise . very ##ful ##ly"
_TEXT = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 24,
}
_BLIP = BlipConfig(
    text_config=_TEXT | {"encoder_hidden_size": 16, "bos_token_id": 2, "sep_token_id": 3},
    vision_config={
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    },
    image_text_hidden_size=12,
)
_ALIGN = AlignConfig(
    text_config=_TEXT,
    vision_config={
        "image_size": 32,
        "width_coefficient": 0.1,
        "depth_coefficient": 0.1,
        "hidden_dim": 16,
        "num_block_repeats": [1],
        "in_channels": [8],
        "out_channels": [8],
        "kernel_sizes": [3],
        "strides": [1],
        "expand_ratios": [1],
    },
    projection_dim=20,
)
_MODELS: dict[str, tuple[Any, Any]] = {
    "blip": (BlipForImageTextRetrieval, _BLIP),
    "align": (AlignModel, _ALIGN),
}
WIDTHS = {"blip": 12, "align": 20}


def write_tokenizer(folder: Path) -> Any:
    """A BERT tokenizer with a vocabulary of two dozen words."""
    folder.mkdir(exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(_WORDS.split()) + "\n")
    return BertTokenizer(vocab=str(vocabulary))


def write_model(architecture: str, folder: Path, seed: int = 0) -> Any:
    """A whole model and its tokenizer in `folder`, as `from_pretrained` reads them; returns the model."""
    kind, config = _MODELS[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config).eval()
        for values in model.parameters():  # biases and projections too: transformers starts them at almost nothing
            torch.nn.init.normal_(values, std=0.5)
    model.save_pretrained(folder)
    write_tokenizer(folder).save_pretrained(folder)
    return model


@torch.inference_mode()
def reference_vectors(model: Any, tokenizer: Any, sentences: list[str]) -> torch.Tensor:
    """What transformers itself gives for sentences: float32 (P, D_t).

    AlignModel has a method for it. BlipForImageTextRetrieval has none: its contrastive score is the product of the
    unit vectors of image and text, and the text's is that of `text_proj` of the first state of `text_encoder`.
    """
    tokens = tokenizer(sentences, padding=True, return_tensors="pt")
    if isinstance(model, AlignModel):
        return model.get_text_features(**tokens).pooler_output
    states = model.text_encoder(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    return model.text_proj(states.last_hidden_state[:, 0])
