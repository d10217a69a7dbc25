"""The training of `mini`: its captions, its loss, and that neither invalidates its measurement."""

from __future__ import annotations

import json
import math

import numpy as np
import open_clip
import pytest
import torch
from captions import LOOKS, captions
from settings import TRAINED_ON, VERSION, model_config
from tune import contrast, evenly, unstandardise

from pipeline.datasets.layouts import LAYOUTS
from pipeline.encoders.families.embedded_family import MINI_FOLDER
from pipeline.prompts import PROMPT_SETS, sentences
from pipeline.tables.labels import EXPRESSIONS


class TestCaptions:
    def test_none_is_a_sentence_of_a_prompt_set(self) -> None:
        rng = np.random.default_rng(0)
        labels = [label for label in EXPRESSIONS for _ in range(2_000)]
        written = {text.lower().rstrip(".") for text in captions(labels, [LOOKS["ferplus"]] * len(labels), rng)}
        prompts = [
            text
            for name, some in PROMPT_SETS.items()
            if name != "names"
            for t in some
            for text in sentences(t, EXPRESSIONS)
        ]
        assert written.isdisjoint(text.lower().rstrip(".") for text in prompts)

    @pytest.mark.parametrize("label", EXPRESSIONS)
    def test_of_two_expressions_are_never_the_same(self, label: str) -> None:
        others = [other for other in EXPRESSIONS if other != label]
        mine, theirs = (
            set(captions(labels, [LOOKS["a"]] * len(labels), np.random.default_rng(seed)))
            for seed, labels in ((1, [label] * 3_000), (2, others * 500))
        )
        assert mine.isdisjoint(theirs) or label in ("neutral",)  # "calm" is both its noun and an adjective

    def test_name_the_look_of_a_picture_half_the_time(self) -> None:
        rng = np.random.default_rng(3)
        texts = captions(["fear"] * 500, [("a linocut",)] * 500, rng)
        assert 50 < sum("a linocut" in text for text in texts) < 300

    def test_fit_into_the_text_tower(self) -> None:
        rng = np.random.default_rng(4)
        texts = captions(list(EXPRESSIONS) * 200, [LOOKS["e"]] * 1600, rng)
        tokens = open_clip.SimpleTokenizer(context_length=77)(texts)
        assert (tokens != 0).sum(1).max() < model_config()["text_cfg"]["context_length"]


class TestContrast:
    def test_by_hand(self) -> None:
        """Two pictures, two captions, all four pairs the same expression, logits 0 and ln 3 in each row.

        To texts: each row is 1/4 and 3/4, the target 1/2 and 1/2: (ln 4 + ln 4 - ln 3) / 2. To images: each column is
        even, so ln 2. Their mean is the loss.
        """
        logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
        expected = ((2 * math.log(4) - math.log(3)) / 2 + math.log(2)) / 2
        assert contrast(logits, torch.ones(2, 2, dtype=torch.bool)).item() == pytest.approx(expected)

    def test_is_clips_where_every_picture_has_its_own_caption(self) -> None:
        logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
        own = torch.arange(5)
        clips = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
        assert contrast(logits, torch.eye(5, dtype=torch.bool)).item() == pytest.approx(clips.item())


def test_a_projection_of_standardised_features_is_that_of_raw_ones_after_it_is_folded() -> None:
    rng = torch.Generator().manual_seed(0)
    raw = 3 + 5 * torch.randn(64, 6, generator=rng)
    deviation, mean = torch.std_mean(raw, dim=0)
    layer = torch.nn.Linear(6, 4)
    expected = layer((raw - mean) / deviation).detach()
    unstandardise(layer, mean, deviation)
    torch.testing.assert_close(layer(raw).detach(), expected)


def test_every_expression_is_told_as_often() -> None:
    labels = np.array([0] * 90 + [1] * 8 + [2] * 2)
    assert np.bincount(labels[evenly(labels, 30, np.random.default_rng(0))]).tolist() == [10, 10, 10]


def test_the_package_carries_what_the_recipe_describes() -> None:
    about = json.loads((MINI_FOLDER / "about.json").read_text())
    config = json.loads((MINI_FOLDER / "open_clip_config.json").read_text())
    assert (about["version"], about["saw"]) == (VERSION, TRAINED_ON)
    assert config["model_cfg"] == model_config()
    assert set(TRAINED_ON) <= set(LAYOUTS)
