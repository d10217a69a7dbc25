"""No option is dead: each one, changed alone, gives another head or another history. So none gets lost on its way."""

from functools import cache

import pytest
from memory_source import separable_source, text_for
from tiny_encoder import tiny_encoder

from pipeline.learning.method import TrainingInputs
from pipeline.methods import config_class, load_method
from pipeline.methods.packing import pack

QUICK = {"epochs": 2, "batch_size": 4, "select_by": "last"}
STEPS = {"epochs": 3, "batch_size": 8, "lr": 0.02, "weight_decay": 0.3, "balanced": True}
PROMPTS = {"suffix": "", "tokens": 3, "init_std": 0.3}
CONTEXTS = {**PROMPTS, "words": "a face", "warmup_epochs": 0, "warmup_lr": 0.001, "momentum": 0.5}
DESCRIPTORS = {
    "descriptors": 2, "temperature": 0.3, "lambda_fine": 0.5, "lambda_margin": 0.5, "empty_subclass": "code",
    "prefix": "a face",
}  # fmt: skip
DRAWN = {"crop": 0.5, "crop_aspect": 2.0, "rotate": 40.0, "flip": 0.0, "erase": 0.0, "brightness": 0.1, "hue": 0.1}
TUNED = {"schedule": "restarts", "eps": 0.1, "augment": False, "input": "block-1"}

# Method -> what it is run with, and its options with another value each.
CHANGED = {
    "metd": ({"descriptors": 3, "tokens": 2}, STEPS | PROMPTS | DESCRIPTORS | {"eps": 0.1}),
    "coop": ({"tokens": 2}, STEPS | CONTEXTS | {"class_specific": True, "class_position": "front"}),
    "cocoop": ({"tokens": 2, "words": ""}, STEPS | CONTEXTS | {"reduction": 2}),
    "cliper": (
        {"descriptors": 3, "tokens": 2, "first_epochs": 1, "lr": 0.001},
        STEPS | DRAWN | DESCRIPTORS | TUNED | {"tokens": 3, "first_epochs": 2, "first_lr": 0.1},
    ),
    "fine-tune": ({"lr": 0.001}, STEPS | DRAWN | TUNED | {"lr_classifier": 0.01}),
    "kefer": (
        {"backbone": "encoder"},
        STEPS
        | DRAWN
        | {"augment": False, "input": "block-1", "backbone": "feature", "projection": "none", "prompt": 0}
        | {"temperature": 0.3, "contrast": "contrastive", "updates": "sequential", "gamma": 1.0, "momentum": 0.5}
        | {"lambda_s": 0.5, "lambda_t": 0.5, "lambda_c": 0.5, "neutral_hidden": 8, "normalise_difference": True}
        | {"warmup_epochs": 0, "text_difference": "raw"},
    ),
}  # fmt: skip
# Tested elsewhere: what changes nothing but the cost, what needs a file, what only backbone feature has, what needs
# rows of a class that are closest to different descriptors.
ELSEWHERE = {"select_by", "context", "pretrained", "feature_scale", "modulating_factor"}


@cache
def outcome(method, option=None, value=None):
    options = QUICK | CHANGED[method][0] | ({option: value} if option else {})
    source = separable_source(n=7)
    given = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    fitted = load_method(method).fit(given, config_class(method)(**options), 0)
    return pack(fitted.head)[0], fitted.history


@pytest.mark.parametrize(("method", "option"), [(method, name) for method, (_, new) in CHANGED.items() for name in new])
def test_every_option_does_something(method, option):
    assert outcome(method, option, CHANGED[method][1][option]) != outcome(method)


@pytest.mark.parametrize("method", CHANGED)
def test_no_option_is_left_out_here(method):
    assert config_class(method).model_fields.keys() - ELSEWHERE == CHANGED[method][1].keys()
