import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.methods import METHODS, config_class, load_method, method_names


def test_names_configs_and_classes_are_known_without_torch():
    program = (
        "import sys; from pipeline.methods import config_class, method_names; "
        "[config_class(name)() for name in method_names()]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


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
