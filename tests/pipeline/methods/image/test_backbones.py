import subprocess
import sys

import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.methods.image.backbones import BACKBONES, Backbone, sliding_mean

WIDTHS = {"resnet18": 512, "resnet50": 2048, "mobilenet_v2": 1280, "swin_tiny": 768, "small": 128}


def started(name, seed=0):
    backbone = Backbone(name)
    backbone.reset(torch.Generator().manual_seed(seed))
    return backbone.eval()


@pytest.fixture(params=WIDTHS)
def name(request):
    return request.param


def test_every_backbone_is_tested_here():
    assert set(WIDTHS) == set(BACKBONES)


@pytest.mark.parametrize("size", [8, 64])
def test_small_images_give_maps_and_a_feature_as_wide_as_stated(name, size):
    backbone = started(name)
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, features = backbone.maps(images), backbone(images)
    side = backbone.map_side(size)
    assert backbone.width == WIDTHS[name]
    assert maps.shape == (2, backbone.width, side, side)
    torch.testing.assert_close(features, maps.mean(dim=(2, 3)))
    assert features.isfinite().all()
    assert not torch.equal(features[0], features[1])


@pytest.mark.parametrize(("name", "side"), [("resnet18", 7), ("swin_tiny", 7), ("small", 14)])
def test_maps_of_the_published_size(name, side):
    assert Backbone(name).map_side(224) == side


def test_map_side_leaves_mode_and_statistics_alone():
    backbone = started("small").train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone.map_side(16)
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "small"])
def test_one_image_is_trained_on_with_the_running_statistics(name):
    """Its maps of one place have no deviation: batch norm would refuse, or make everything 0."""
    backbone = started(name).train()
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    backbone(images)
    with torch.no_grad():
        trained, expected = backbone(images[:1]), backbone.eval()(images[:1])
    assert torch.equal(trained, expected)


def test_batches_of_two_move_the_running_statistics_even_after_a_batch_of_one():
    backbone = started("small").train()
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    backbone(images[:1])
    assert not backbone.net.stage1[1].running_mean.any()
    backbone(images)
    assert backbone.net.stage1[1].running_mean.any()


def test_building_and_resetting_leave_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    started(name)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_first_weights_are_the_generators_alone(name):
    """Every parameter that is not constant differs between seeds, and none after another reset with the first seed."""
    backbone = started(name, seed=3)
    first = {key: value.detach().clone() for key, value in backbone.named_parameters()}
    backbone.reset(torch.Generator().manual_seed(4))
    for key, value in backbone.named_parameters():
        assert torch.equal(value, first[key]) == bool((value == value.flatten()[0]).all()), key
    backbone.reset(torch.Generator().manual_seed(3))
    assert all(torch.equal(value, first[key]) for key, value in backbone.named_parameters())


def test_reset_forgets_what_batch_norms_have_seen():
    backbone = started("small").train()
    fresh = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
    backbone.reset(torch.Generator().manual_seed(0))
    assert all(torch.equal(value, fresh[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "small"])
def test_convolutions_start_with_the_variance_that_keeps_gradients(name):
    """He et al.: standard deviation sqrt(2 / (k * k * channels out)), of groups too, as torchvision does."""
    for module in started(name).modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 5000:
            fan_out = module.weight.shape[0] * module.weight[0, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)


def test_swin_starts_with_truncated_normals_and_zero_shifts():
    for module in started("swin_tiny").modules():
        if isinstance(module, torch.nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert module.bias is None or not module.bias.any()


def test_swins_other_parts_start_as_its_authors_have_it():
    """Positions like the layers; patches of 4 x 4 x 3 = 48 numbers uniform in [-1, 1] / sqrt(48), deviation 1 / 12."""
    net = started("swin_tiny").net
    tables = torch.cat([v.flatten() for name, v in net.named_parameters() if name.endswith("bias_table")])
    assert tables.std().item() == pytest.approx(0.02, rel=0.05)
    patches = net.features[0][0].weight
    assert patches.abs().max().item() <= 1 / 48**0.5
    assert patches.std().item() == pytest.approx(1 / 12, rel=0.05)


def test_training_draws_nothing(name):
    backbone = started(name).train()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    before = torch.random.get_rng_state()
    with torch.no_grad():
        backbone(images)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_names_of_the_weights_are_torchvisions():
    assert "layer4.1.conv2.weight" in Backbone("resnet18").net.state_dict()
    assert "features.18.0.weight" in Backbone("mobilenet_v2").net.state_dict()
    assert "features.1.0.attn.qkv.weight" in Backbone("swin_tiny").net.state_dict()


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match=r"one of resnet18, .*, small, found 'resnet19'"):
        Backbone("resnet19")


class TestSlidingMean:
    def test_windows_of_neighbours_where_the_width_divides(self):
        """(1, 3), (2, 6), (0, 8) have means 2, 4, 4."""
        assert sliding_mean(torch.tensor([[1.0, 3, 2, 6, 0, 8]]), 3).tolist() == [[2.0, 4.0, 4.0]]

    def test_windows_overlap_where_it_does_not(self):
        """5 to 3: channels 0-1, 1-3, 3-4; (1 + 3) / 2 = 2, (3 + 2 + 7) / 3 = 4, (7 + 1) / 2 = 4."""
        assert sliding_mean(torch.tensor([[1.0, 3, 2, 7, 1]]), 3).tolist() == [[2.0, 4.0, 4.0]]

    def test_cafes_2048_to_512_are_means_of_four(self):
        features = torch.arange(2048.0)[None]
        assert sliding_mean(features, 512)[0, :2].tolist() == [1.5, 5.5]

    def test_its_own_width_changes_nothing(self):
        features = torch.tensor([[3.0, -1.0]])
        assert torch.equal(sliding_mean(features, 2), features)

    @pytest.mark.parametrize("width", [0, 3])
    def test_refuses_to_widen(self, width):
        with pytest.raises(ConfigError, match=f"a width from 1 to 2, found {width}"):
            sliding_mean(torch.zeros(1, 2), width)


def test_heads_and_the_small_network_do_not_wait_for_torchvision():
    """It brings torch's compiler with it, which takes as long to import as torch itself."""
    program = (
        "import sys, pipeline.methods.mask.heads, pipeline.methods.text.heads;"
        "from pipeline.methods.image.backbones import Backbone;"
        "Backbone('small'); print({'torchvision', 'torch._dynamo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
