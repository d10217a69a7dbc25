import pytest
import safetensors.torch
import torch
from memory_source import separable_source

from pipeline.errors import ConfigError
from pipeline.learning.method import TrainingInputs
from pipeline.methods.image.backbones import Backbone
from pipeline.methods.mask.options import CafeConfig
from pipeline.methods.mask.train import CAFE

SMALL = {"backbone": "small", "epochs": 2, "batch_size": 8}


def fit(**options):
    source = separable_source()
    return CAFE.fit(TrainingInputs(source, source.classes), CafeConfig(**(SMALL | options)), 0)


def weights_file(folder, without=()):
    backbone = Backbone("small")
    backbone.reset(torch.Generator().manual_seed(9))
    state = backbone.net.state_dict()
    path = folder / "faces.safetensors"
    safetensors.torch.save_file({name: value for name, value in state.items() if name not in without}, path)
    return path


def test_defaults_are_the_papers_settings():
    config = CafeConfig()
    expected = {
        "backbone": "resnet18",
        "sigmoid": True,
        "lambda_sep": 1.5,
        "beta_div": 5.0,
        "div_norm": "paper",
        "pool_remainder": True,
        "drop_rate": 10 / 73,
        "epochs": 60,
        "batch_size": 32,
        "lr": 0.0002,
        "lr_decay": 0.9,
        "weight_decay": 0.0001,
        "balanced": False,
        "feature_scale": "raw",
    }
    assert config.model_dump(include=set(expected)) == expected


def test_the_recipe_for_affectnet_can_be_said():
    """The paper's settings for AffectNet: 0.0001, then times 0.8 after every epoch."""
    history = fit(epochs=3, lr=0.0001, lr_decay=0.8, balanced=True).history
    assert [record["lr"] for record in history] == pytest.approx([0.0001, 0.00008, 0.000064])


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"lambda_sep": 0.0, "beta_div": 0.0}, {"cls": 1.0}),
        ({"beta_div": 0.0}, {"cls": 1.0, "sep": 1.5}),
        ({}, {"cls": 1.0, "sep": 1.5, "div": 5.0}),
    ],
)
def test_each_ablation_minimises_its_own_terms(options, terms):
    record = fit(**options).history[-1]
    expected = sum(factor * record[f"loss_{name}"] for name, factor in terms.items())
    assert record["loss"] == pytest.approx(expected, abs=1e-5)


def test_the_codes_divisor_makes_diversity_seven_times_weaker():
    """One epoch of one step, so that both losses are those of the initial weights."""
    paper, code = (fit(epochs=1, batch_size=16, div_norm=name).history[0]["loss_div"] for name in ("paper", "code"))
    assert (1 - paper) / (1 - code) == pytest.approx(7, rel=1e-4)


def test_a_learnt_class_weight_is_thrown_away_with_the_channel_losses():
    learnt, plain = (fit(class_weights=name).head for name in ("learnt", "none"))
    assert learnt.state_dict().keys() == plain.state_dict().keys()


def test_the_classifier_has_a_bias_exactly_on_request():
    assert "classifier.bias" in fit().head.state_dict()
    assert "classifier.bias" not in fit(bias=False).head.state_dict()


def test_first_weights_from_a_file_are_taken_and_their_share_is_told(tmp_path):
    tensors = [name for name in Backbone("small").net.state_dict() if not name.endswith("num_batches_tracked")]
    found = fit(pretrained=str(weights_file(tmp_path, without=tensors[:1]))).diagnostics["pretrained"]
    assert found["share"] == pytest.approx(1 - 1 / len(tensors))
    assert found["missing"] == tensors[:1]
    assert (found["file"], len(found["sha256"])) == ("faces.safetensors", 64)


def test_first_weights_from_a_file_are_where_learning_begins(tmp_path):
    """A rate near zero leaves the initial weights as they are."""
    path = weights_file(tmp_path)
    trained = fit(pretrained=str(path), lr=1e-20).head.backbone.net.state_dict()
    for name, value in safetensors.torch.load_file(path).items():
        if name.endswith(("weight", "bias")):
            torch.testing.assert_close(trained[name], value)


def test_without_a_file_nothing_is_told():
    assert fit().diagnostics == {}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"pretrained: no file at .*nowhere\.pth"):
        fit(pretrained=str(tmp_path / "nowhere.pth"))
