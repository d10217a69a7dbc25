"""No option is dead: each one, changed alone, gives another head or another history. So none gets lost on its way."""

import typing
from functools import cache

import pytest
from memory_clips import source_for
from memory_source import text_for
from overfit import OVERFIT
from tiny_encoder import tiny_encoder

from pipeline.learning.method import TrainingInputs
from pipeline.methods import METHODS, config_class, load_method
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
    "fine-tune": ({"lr": 0.001}, STEPS | DRAWN | TUNED | {"lr_classifier": 0.01, "targets": "distribution"}),
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
# rows of a class that are closest to different descriptors, what needs classes of unequal numbers.
ELSEWHERE = {"select_by", "context", "pretrained", "feature_scale", "modulating_factor", "cross_entropy_weights"}

# Of the other methods any other value will do; what some are run with, so that all of it is at work within two epochs.
OTHERS = [method for method in METHODS if method not in CHANGED]
AT_WORK = {
    "linear-probe": {"select_by": "accuracy", "max_log10_c": 1},  # it tries every second power of ten
    "temporal-transformer": {"optimizer": "sgd", "dropout": 0.1},
    "scn": {"relabel": "all", "relabel_from": 1, "margin_relabel": 0.0},
    "zero-shot": {"prompt": 0},
}
# Tested by test_linear_probe: how long it looks for a C, and for the optimum of each.
LIMITS = {"patience", "max_iterations"}
# Of no effect on images, and on clips of one frame: tested by test_temporal_heads.
OF_CLIPS = {"clip_frames", "clip_sampling"}


def options_of(method):
    return set(config_class(method).model_fields)


def start(method):
    """The options that a method is run with."""
    if method in CHANGED:
        return QUICK | CHANGED[method][0]
    options = OVERFIT[method] | QUICK | AT_WORK.get(method, {})
    return {name: value for name, value in options.items() if name in options_of(method)}


@cache
def fitted(method, option=None, value=None):
    source = source_for(method, n=7)
    given = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    config = config_class(method)(**start(method) | ({option: value} if option else {}))
    return config, load_method(method).fit(given, config, 0)


def outcome(method, option=None, value=None):
    fit = fitted(method, option, value)[1]
    return pack(fit.head)[0] if method in CHANGED else pack(fit.head), fit.history


def another(value, annotation):
    """Another value of an option of this type."""
    if typing.get_origin(annotation) is typing.Literal:
        return next(other for other in typing.get_args(annotation) if other != value)
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2 + 0.03


@pytest.mark.parametrize(("method", "option"), [(method, name) for method, (_, new) in CHANGED.items() for name in new])
def test_every_option_does_something(method, option):
    assert outcome(method, option, CHANGED[method][1][option]) != outcome(method)


@pytest.mark.parametrize(
    ("method", "option"),
    [(method, name) for method in OTHERS for name in sorted(options_of(method) - ELSEWHERE - LIMITS - OF_CLIPS)],
)
def test_every_option_of_a_plain_method_does_something(method, option):
    value = getattr(fitted(method)[0], option)
    other = another(value, config_class(method).model_fields[option].annotation)
    assert outcome(method, option, other) != outcome(method)


@pytest.mark.parametrize("method", CHANGED)
def test_no_option_is_left_out_here(method):
    assert options_of(method) - ELSEWHERE - OF_CLIPS == CHANGED[method][1].keys()
