"""Real faces, a real encoder, the real commands, on a part that CI can afford; the whole is run by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_files import pack_path, weights_path

import cache

pytestmark = [pytest.mark.real_data, pytest.mark.weights]

FerStage = Callable[..., Any]
N = 1000


def test_heads_on_real_features_beat_the_majority_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fer_stage: FerStage
) -> None:
    pack, weights = pack_path("muxspace.tar.gz"), weights_path("tf_efficientnet_lite0.safetensors")
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(f"encoders: {{lite0: 'timm:tf_efficientnet_lite0@{weights}', mini: mini}}")
    encoded = "extract --dataset muxspace --encoder lite0 --runtime openvino --decoders 1"  # a third of eager's time
    extract = (*encoded.split(), "--limit", str(N))
    made = fer_stage(*extract, "--root", str(pack), "--format", "json")
    assert (made["encoded"], made["rejected"]) == (N, 0)
    assert fer_stage(*extract, "--format", "json")["encoded"] == 0

    store = cache.open(made["path"])
    features = store.select().numpy()
    assert features.shape == (N, 1280)
    assert np.isfinite(features).all()

    test_labels = store.labels("test")
    majority = np.unique(test_labels, return_counts=True)[1].max() / len(test_labels)
    for method in ("linear-probe", "feature-mask"):
        name = f"muxspace.first-{N}"
        fer_stage(
            "train", "--method", method, "--dataset", name, "--encoder", "lite0", "--option", "select_by=accuracy"
        )
        scores = fer_stage(
            "evaluate", "--run", f"runs/lite0/{method}/{name}/seed-0", "--dataset", name, "--format", "json"
        )
        assert scores[0]["accuracy"] > majority + 0.02
