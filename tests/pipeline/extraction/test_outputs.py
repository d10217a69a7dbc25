"""What may be stored is what the encoder gives, in one order."""

from __future__ import annotations

import numpy as np
import pytest
from fake_encoder import WIDTH, FakeEncoder

from pipeline.errors import ConfigError
from pipeline.extraction import Output, empty_blocks, outputs_of

POOLED, PIXELS = Output("pooled", (WIDTH,), "float16"), Output("pixels", (9, 9, 3), "uint8")
TOKENS, BLOCK_1 = Output("tokens", (4, 3), "float16"), Output("block-1", (4, 3), "float16")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], (POOLED,)),
        (["pixels"], (POOLED, PIXELS)),
        (["pixels", "pooled"], (POOLED, PIXELS)),
        (["block-1", "pixels", "tokens"], (POOLED, TOKENS, BLOCK_1, PIXELS)),
        (["tokens", "tokens"], (POOLED, TOKENS)),
    ],
)
def test_are_canonical_and_always_hold_the_feature(names: list[str], expected: tuple[Output, ...]) -> None:
    assert outputs_of(FakeEncoder(), names, "float16", 9) == expected


@pytest.mark.parametrize(
    ("names", "dtype", "message"),
    [
        (
            ["pooled", "block-7", "logits"],
            "float16",
            r"outputs: this encoder offers pooled, tokens, block-0, block-1, pixels, found block-7, logits",
        ),
        (["pooled"], "float64", "dtype: expected float16 or float32, found 'float64'"),
    ],
)
def test_unknown_ones_are_refused(names: list[str], dtype: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        outputs_of(FakeEncoder(), names, dtype, 9)


def test_empty_blocks_hold_nothing_that_could_be_taken_for_a_feature() -> None:
    blocks = empty_blocks((POOLED, TOKENS, PIXELS), n_views=2, n_rows=6)
    assert {name: (block.shape, block.dtype) for name, block in blocks.items()} == {
        "pooled": ((2, 6, WIDTH), np.float16),
        "tokens": ((2, 6, 4, 3), np.float16),
        "pixels": ((2, 6, 9, 9, 3), np.uint8),
    }
    assert np.isnan(blocks["pooled"]).all()
    assert np.isnan(blocks["tokens"]).all()
    assert not blocks["pixels"].any()
