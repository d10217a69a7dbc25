"""What records and run keys have of the options of a method: it stays what it was when options are added."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import ValidationError

from pipeline.methods import METHODS, config_class
from pipeline.methods.mask.options import FeatureMaskConfig

# Of heads with defaults alone. An option that is added to a method goes into its `later_options`, and not in here: with
# another set of names every existing head of the method would be trained again.
RECORDED = {
    "linear-probe": ("feature_scale max_iterations max_log10_c min_log10_c patience refinements select_by"),
    "cafe": (
        "backbone balanced batch_size beta_div bias class_weights div_norm drop_rate drop_shared epochs "
        "feature_scale lambda_sep lr lr_decay pool_remainder pretrained select_by sigmoid weight_decay"
    ),
    "feature-mask": (
        "balanced batch_size beta_div bias class_weights div_norm drop_rate drop_shared epochs "
        "feature_scale hidden lambda_sep lr lr_decay pool_remainder select_by sigmoid weight_decay"
    ),
    "temporal-attention": (
        "balanced batch_size dropout epochs feature_scale lr lr_decay queries select_by weight_decay"
    ),
    "temporal-transformer": (
        "balanced batch_size dropout epochs feature_scale head_width heads hidden layers lr lr_decay "
        "momentum optimizer schedule select_by weight_decay"
    ),
    "token-mask": (
        "balanced batch_size beta_div bias class_weights div_norm drop_rate drop_shared epochs "
        "feature_scale hidden lambda_sep lr lr_decay pool_remainder queries select_by sigmoid weight_decay"
    ),
    "kefer": (
        "augment backbone balanced batch_size brightness contrast crop crop_aspect epochs erase "
        "feature_scale flip gamma hue input lambda_c lambda_s lambda_t lr momentum neutral_hidden "
        "normalise_difference pretrained projection prompt rotate select_by temperature text_difference "
        "updates warmup_epochs weight_decay"
    ),
    "zero-shot": ("prompt select_by temperature"),
    "baseline": ("backbone balanced batch_size epochs erase flip lr lr_decay noise pretrained select_by weight_decay"),
    "fine-tune": (
        "augment balanced batch_size brightness crop crop_aspect epochs eps erase flip hue input lr "
        "lr_classifier rotate schedule select_by weight_decay"
    ),
    "eac": (
        "backbone balanced batch_size epochs erase lambda_consistency lr lr_decay mirrored noise pretrained "
        "select_by weight_decay"
    ),
    "rul": (
        "backbone balanced batch_size dimensions dropout epochs erase flip_or_noise lr lr_classifier "
        "lr_decay pretrained select_by weight_decay"
    ),
    "scn": (
        "backbone balanced batch_size epochs erase flip_or_noise high_share lambda_rr lambda_wce lr "
        "lr_decay margin_rank margin_relabel pretrained relabel relabel_from select_by weight_decay"
    ),
    "cliper": (
        "augment balanced batch_size brightness crop crop_aspect descriptors empty_subclass epochs eps "
        "erase first_epochs first_lr flip hue input lambda_fine lambda_margin lr modulating_factor prefix "
        "rotate schedule select_by temperature tokens weight_decay"
    ),
    "cocoop": (
        "balanced batch_size context epochs init_std lr momentum reduction select_by suffix tokens "
        "warmup_epochs warmup_lr weight_decay words"
    ),
    "coop": (
        "balanced batch_size class_position class_specific context epochs init_std lr momentum select_by "
        "suffix tokens warmup_epochs warmup_lr weight_decay words"
    ),
    "metd": (
        "balanced batch_size context descriptors empty_subclass epochs eps init_std lambda_fine "
        "lambda_margin lr modulating_factor prefix select_by suffix temperature tokens weight_decay"
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_options_of_a_head_with_defaults_are_recorded_under_the_same_names_as_ever(method: str) -> None:
    assert sorted(config_class(method)().recorded()) == RECORDED[method].split()


@pytest.mark.parametrize("method", [name for name in METHODS if "targets" in config_class(name).model_fields])
def test_soft_labels_are_recorded(method: str) -> None:
    assert config_class(method)(targets="distribution").recorded()["targets"] == "distribution"


def test_later_options_of_a_class_and_of_its_base_are_left_out() -> None:
    class Later(FeatureMaskConfig):
        later_options: ClassVar[frozenset[str]] = frozenset({"extra"})
        extra: int = 3

    assert Later().recorded() == FeatureMaskConfig().recorded()
    assert Later(extra=4, targets="distribution").recorded() == {
        **FeatureMaskConfig().recorded(),
        "extra": 4,
        "targets": "distribution",
    }


@pytest.mark.parametrize("method", [name for name in METHODS if "targets" in config_class(name).model_fields])
def test_weights_of_classes_and_soft_labels_exclude_each_other(method: str) -> None:
    with pytest.raises(ValidationError, match="cross_entropy_weights: balanced weighs labels, not distributions"):
        config_class(method)(targets="distribution", cross_entropy_weights="balanced")
