import hashlib
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.errors import ConfigError, EncoderError, MismatchError
from pipeline.methods.image.backbones import Backbone
from pipeline.methods.image.pretrained import load_pretrained


class Program:
    """Unpickling it makes a folder: the trace that code has run."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def started(name="small", seed=0):
    backbone = Backbone(name)
    backbone.reset(torch.Generator().manual_seed(seed))
    return backbone


@pytest.fixture
def donor():
    """Tensors of a network with other values, as its training left them."""
    backbone = started(seed=1).train()
    backbone(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)))
    return {name: value.clone() for name, value in backbone.net.state_dict().items()}


def holds(backbone, tensors):
    state = backbone.net.state_dict()
    return all(torch.equal(state[name], value) for name, value in tensors.items() if "num_batches" not in name)


def as_safetensors(tensors, path):
    safetensors.torch.save_file(tensors, path)


def as_state_dict(tensors, path):
    torch.save({"epoch": 3, "state_dict": tensors}, path)


def as_model(tensors, path):
    torch.save({"model": tensors, "optimizer": {"lr": 0.1}}, path)


def as_model_state_dict(tensors, path):
    torch.save({"iter": 3, "model_state_dict": tensors}, path)


def as_bare_tensors(tensors, path):
    torch.save(tensors, path)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone.net."])
@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (as_safetensors, ".safetensors"),
        (as_state_dict, ".pth.tar"),
        (as_model, ".pth"),
        (as_model_state_dict, ".pth"),
        (as_bare_tensors, ".pt"),
    ],
)
def test_every_tensor_is_taken_whatever_file_and_prefix(donor, write, suffix, prefix, tmp_path):
    path = tmp_path / f"face{suffix}"
    write({prefix + name: value for name, value in donor.items()}, path)
    backbone = started()
    found = load_pretrained(backbone, path)
    assert holds(backbone, donor)
    assert (found.share, found.missing, found.other_shapes, found.unexpected) == (1.0, (), (), ())
    assert (found.file, found.prefix) == (path.name, prefix)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_prefix_is_the_one_that_most_names_have(donor, tmp_path):
    stray = {"stage1.0.weight": torch.zeros(2)}
    as_safetensors({f"module.{name}": value for name, value in donor.items()} | stray, tmp_path / "w.safetensors")
    found = load_pretrained(backbone := started(), tmp_path / "w.safetensors")
    assert (found.prefix, found.share, found.unexpected) == ("module.", 1.0, ("stage1.0.weight",))
    assert holds(backbone, donor)


def test_of_two_whole_networks_in_a_file_the_shorter_name_is_taken(donor, tmp_path):
    """As training that keeps a running mean of its weights beside them saves it."""
    mean = {f"averaged.{name}": value + 1 for name, value in donor.items()}
    as_safetensors(mean | {f"net.{name}": value for name, value in donor.items()}, tmp_path / "w.safetensors")
    assert load_pretrained(backbone := started(), tmp_path / "w.safetensors").prefix == "net."
    assert holds(backbone, donor)


def test_running_statistics_are_taken_too(donor, tmp_path):
    as_safetensors(donor, tmp_path / "w.safetensors")
    backbone = started()
    load_pretrained(backbone, tmp_path / "w.safetensors")
    assert torch.equal(backbone.net.stage1[1].running_mean, donor["stage1.1.running_mean"])
    assert donor["stage1.1.running_mean"].any()


def test_share_and_lists_say_what_did_not_fit(donor, tmp_path):
    """`small` has 4 stages of 5 tensors. One is left out, one has another shape: 18 of 20 are taken."""
    donor.pop("stage2.0.weight")
    donor["stage3.1.bias"] = torch.zeros(7)
    donor["fc.weight"] = torch.zeros(2, 2)
    as_safetensors(donor, tmp_path / "w.safetensors")
    backbone = started()
    untouched = backbone.net.stage2[0].weight.clone()
    found = load_pretrained(backbone, tmp_path / "w.safetensors")
    assert found.share == pytest.approx(18 / 20)
    assert found.missing == ("stage2.0.weight",)
    assert found.other_shapes == ("stage3.1.bias",)
    assert found.unexpected == ("fc.weight",)
    assert torch.equal(backbone.net.stage2[0].weight, untouched)
    assert holds(backbone, {name: donor[name] for name in ("stage1.0.weight", "stage4.1.running_var")})


def test_findings_are_plain_data(donor, tmp_path):
    as_safetensors(donor, tmp_path / "w.safetensors")
    found = load_pretrained(started(), tmp_path / "w.safetensors").as_json()
    assert found["missing"] == []
    assert sorted(found) == ["file", "missing", "other_shapes", "prefix", "sha256", "share", "unexpected"]


def test_files_without_batch_counters_are_complete(donor, tmp_path):
    """Files that older versions of torch wrote have none."""
    counters = [name for name in donor if name.endswith("num_batches_tracked")]
    assert counters
    for name in counters:
        donor.pop(name)
    as_safetensors(donor, tmp_path / "w.safetensors")
    found = load_pretrained(started(), tmp_path / "w.safetensors")
    assert (found.share, found.missing) == (1.0, ())


def test_weights_of_another_network_are_refused(tmp_path):
    as_safetensors({"encoder.weight": torch.zeros(2, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(MismatchError, match=r"weights of small \(stage1\.0.* 20 tensors\), found 0 of 20 .*\(2, 3\)"):
        load_pretrained(started(), tmp_path / "w.safetensors")


def test_weights_of_a_relative_are_refused(tmp_path):
    """ResNet-50 and ResNet-18 share many names and some shapes: 77 of 100 tensors fit, and no network comes of it."""
    as_safetensors(started("resnet50").net.state_dict(), tmp_path / "w.safetensors")
    backbone = started("resnet18")
    before = {name: value.clone() for name, value in backbone.net.state_dict().items()}
    with pytest.raises(MismatchError, match=r"weights of resnet18 \(.*found 77 of 100 .* 265 tensors\)\. Choose"):
        load_pretrained(backbone, tmp_path / "w.safetensors")
    assert holds(backbone, before)


def test_tensors_without_names_are_refused(tmp_path):
    torch.save({1: torch.zeros(2), 2: torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(MismatchError, match=r"found 0 of 20 that fit \(1 \(2,\), 2 \(3,\), 2 tensors\)"):
        load_pretrained(started(), tmp_path / "w.pth")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(donor, value, tmp_path):
    """Or training would stop at its first step, and blame the learning rate."""
    donor["stage2.0.weight"][0, 0, 0, 0] = value
    as_safetensors(donor, tmp_path / "w.safetensors")
    with pytest.raises(MismatchError, match=r"finite weights, found NaN or infinity in stage2\.0\.weight"):
        load_pretrained(started(), tmp_path / "w.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no file at .*nowhere\.pth"):
        load_pretrained(started(), tmp_path / "nowhere.pth")


class TestPickles:
    @pytest.mark.parametrize("name", ["w.pth", "w.pkl"])
    def test_that_would_run_code_are_refused_and_do_not_run(self, donor, name, tmp_path):
        trace, path = tmp_path / "trace", tmp_path / name
        content = {"state_dict": donor, "epoch": Program(trace)}
        torch.save(content, path) if name == "w.pth" else path.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights .* nothing but tensors") as caught:
            load_pretrained(started(), path)
        assert not trace.exists()
        program = "posix.mkdir" if name == "w.pth" else "torch.storage._load_from_bytes"
        assert f"it would run {program})" in str(caught.value)

    def test_of_numpy_arrays_are_refused(self, tmp_path):
        """How the VGGFace2 ResNet-50 is distributed: convert it to safetensors first."""
        path = Path(tmp_path / "w.pkl")
        path.write_bytes(pickle.dumps({"stage1.0.weight": np.zeros((16, 3, 3, 3), np.float32)}, protocol=2))
        with pytest.raises(EncoderError, match=r"cannot be loaded as weights .*would run numpy") as caught:
            load_pretrained(started(), path)
        assert "weights_only" not in str(caught.value), "advice of torch's: read it as a program after all"
        assert "\x1b" not in str(caught.value)

    def test_damaged_files_are_refused(self, donor, tmp_path):
        path = tmp_path / "w.safetensors"
        as_safetensors(donor, path)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(EncoderError, match="cannot be loaded as weights"):
            load_pretrained(started(), path)
