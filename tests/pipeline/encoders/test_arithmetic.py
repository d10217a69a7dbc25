"""Features are float32 whatever torch was set to; what cannot be set is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_models import faces, load, pooled, write_clip_folder

from pipeline.encoders.arithmetic import float32_arithmetic, float32_error, require_float32
from pipeline.errors import EncoderError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "any"),
        ("DNNL_DEFAULT_FPMATH_MODE", "TF32"),
        ("NVIDIA_TF32_OVERRIDE", "1"),
    ],
)
def test_a_variable_that_makes_products_coarser_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EncoderError, match=f"{name}={value} is set.*env -u {name}"):
        load("untrained")


def test_a_variable_that_asks_for_float32_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "strict")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    load("untrained")


def test_settings_of_torch_change_no_feature_and_come_back(tmp_path: Path) -> None:
    folder, _ = write_clip_folder(tmp_path / "clip")
    pixels = faces(20, 32)
    expected = pooled(load(f"open_clip:small@{folder}"), pixels)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        torch.set_default_dtype(torch.float64)
        found = load(f"open_clip:small@{folder}").encode_images(pixels)["pooled"]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(before)


def test_settings_are_exact_while_features_are_computed() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with float32_arithmetic():
            assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


def test_settings_come_back_after_the_last_of_blocks_that_overlap() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    first, second = float32_arithmetic(), float32_arithmetic()
    try:
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "highest"
        second.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_coarser_arithmetic_is_measured_whatever_brings_it_about() -> None:
    require_float32.cache_clear()
    assert float32_error(CPU) < 5e-6
    with torch.autocast("cpu", torch.bfloat16):
        assert float32_error(CPU) > 5e-4
        with pytest.raises(EncoderError, match="products of float32 numbers are off by"):
            require_float32(CPU)
    require_float32(CPU)
