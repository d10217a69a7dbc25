import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError, InputError
from pipeline.methods import METHODS, config_class, load_method, method_names
from pipeline.methods.packing import head_class
from pipeline.methods.probe.heads import LinearHead

KINDS = (
    *("cocoop", "descriptors", "feature-mask", "fine-tune", "image", "image-embedding", "image-importance"),
    *(
        "image-mask",
        "image-text",
        "linear",
        "temporal-attention",
        "temporal-transformer",
        "text-similarity",
        "token-mask",
        "tuned-descriptors",
        "tuned-text",
    ),
)


def test_names_configs_and_classes_are_known_without_torch():
    program = (
        "import sys; from pipeline.methods import config_class, method_names; "
        "[config_class(name)() for name in method_names()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_kind_of_saved_heads_is_found_without_what_trains_it_or_torchvision():
    """Kinds are in runs on disk: none may vanish or be renamed."""
    program = (
        "import sys; from pipeline.methods.packing import head_class; "
        f"print(*(head_class(kind).kind for kind in {KINDS})); "
        "print({'torchvision', 'pipeline.learning.loop', 'pipeline.methods.mask.train'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [" ".join(KINDS), "set()"]


def test_a_light_head_is_found_without_the_other_families():
    program = (
        "import sys; from pipeline.methods.packing import head_class; head_class('linear'); "
        "print(sorted(name for name in sys.modules if name.startswith('pipeline.methods.') and 'heads' in name))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "['pipeline.methods.probe.heads']\n"


def test_an_unknown_kind_of_head_names_those_that_are_known():
    with pytest.raises(InputError, match=r"expected a kind of cocoop, .*zero-kind.*newer fer-stage: update") as error:
        head_class("zero-kind")
    assert all(kind in str(error.value) for kind in KINDS)


def test_two_heads_cannot_have_one_kind():
    with pytest.raises(TypeError, match=r"Second: expected a kind of its own, found 'linear' of .*LinearHead"):
        type("Second", (LinearHead,), {}, kind="linear")


def test_every_name_leads_to_its_method():
    assert method_names() == tuple(sorted(METHODS))
    assert [load_method(name).name for name in method_names()] == list(method_names())


@pytest.mark.parametrize("find", [config_class, load_method])
def test_an_unknown_method_suggests_the_nearest(find):
    with pytest.raises(ConfigError, match=r"unknown method 'feature_mask'\. Did you mean 'feature-mask'"):
        find("feature_mask")


@pytest.mark.parametrize("name", METHODS)
def test_every_option_is_documented(name):
    assert config_class(name).__doc__
    assert all(field.description for field in config_class(name).model_fields.values())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("options", [{"colour": 1}, {"select_by": "loss"}, {"feature_scale": "none"}])
def test_unknown_keys_and_values_are_refused(name, options):
    with pytest.raises(ValidationError):
        config_class(name)(**options)


@pytest.mark.parametrize("options", [{"lr": "1e-3"}, {"epochs": 0}, {"lr": float("nan")}, {"drop_rate": 1.0}])
def test_impossible_values_are_refused(options):
    with pytest.raises(ValidationError):
        config_class("feature-mask")(**options)
