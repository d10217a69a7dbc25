"""Prompts for the text towers of open_clip."""

from __future__ import annotations

from typing import Any

from open_clip.transformer import ResidualAttentionBlock, TextTransformer

from pipeline.encoders.prompt_tower import PromptTower, TextParts
from pipeline.errors import EncoderError

__all__ = ["open_clip_prompts"]


def open_clip_prompts(model: Any, tokenizer: Any, name: str) -> PromptTower:
    """The prompt tower of an open_clip model; it shares the model's weights.

    Parameters
    ----------
    model : open_clip.CLIP keeps the parts of its text tower in itself, other models in a TextTransformer
    tokenizer : the model's own
    name : of the encoder, for messages

    Raises
    ------
    EncoderError
        If the text tower is not one of open_clip's transformers with plain attention blocks (Hugging Face models), or
        appends a class token (CoCa).
    """
    text = getattr(model, "text", model)
    if not _is_plain(text):
        raise EncoderError(
            f"{name}: prompts are learned in open_clip's own text transformers with plain attention blocks and without "
            f"class token, found {type(text).__name__}. Use an encoder such as open_clip:ViT-B-32-quickgelu/openai"
        )
    parts = TextParts(
        embedding=text.token_embedding,
        positions=text.positional_embedding,
        blocks=tuple(text.transformer.resblocks),
        final_norm=text.ln_final,
        projection=text.text_projection,
        pool=text.text_pool_type if text is model else text.pool_type,
        causal=text.attn_mask is not None,
    )
    decode = tokenizer.decode if hasattr(tokenizer, "decode") else tokenizer.tokenizer.decode
    return PromptTower(parts, tokenizer, decode, model.logit_scale.exp().item())


def _is_plain(text: Any) -> bool:
    if isinstance(text, TextTransformer) and (text.cls_emb is not None or text.use_pad_mask):
        return False
    blocks = getattr(getattr(text, "transformer", None), "resblocks", ())
    return len(blocks) > 0 and all(isinstance(block, ResidualAttentionBlock) for block in blocks)
