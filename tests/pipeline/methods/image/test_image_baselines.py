"""baseline, eac and rul; scn, which keeps labels, has a file of its own."""

import math

import pytest
import safetensors.torch
import torch
from image_batches import image_batch, image_head
from memory_source import separable_source
from torch.nn import functional

from pipeline.errors import ConfigError
from pipeline.images.augment import to_images
from pipeline.learning.method import TrainingInputs
from pipeline.learning.optimizers import adam_settings
from pipeline.methods import config_class, load_method
from pipeline.methods.image.backbones import BACKBONES, Backbone
from pipeline.methods.image.heads import ImageHead
from pipeline.methods.image.options import BaselineConfig, ImageConfig
from pipeline.methods.image.train import BaselineLearner
from pipeline.methods.noisy.heads import EmbeddingHead, ImportanceHead
from pipeline.methods.noisy.options import EacConfig, RulConfig, ScnConfig
from pipeline.methods.noisy.train import EacLearner, RulLearner, ScnLearner
from pipeline.methods.packing import pack, unpack

IMAGE_METHODS = ("baseline", "eac", "rul", "scn")
STILL = {"erase": 0.0}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def rul(**options):
    return RulLearner(image_head(EmbeddingHead, dimensions=5), RulConfig(**options), rng(1))


def test_configs_and_backbones_know_the_same_names():
    names = ImageConfig.model_fields["backbone"].annotation.__args__
    assert set(names) == set(BACKBONES)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_reads_pixels_of_the_plain_view_only(name):
    config = config_class(name)()
    assert (config.reads, config.views, config.can_ensemble) == (("pixels",), "plain", False)


@pytest.mark.parametrize(
    ("name", "lr", "batch_size", "epochs"),
    [("baseline", 2e-4, 32, 60), ("eac", 2e-4, 32, 60), ("rul", 2e-4, 64, 60), ("scn", 1e-3, 64, 70)],
)
def test_optimiser_settings_are_the_published_ones(name, lr, batch_size, epochs):
    config = config_class(name)()
    assert (config.lr, config.batch_size, config.epochs) == (lr, batch_size, epochs)
    assert (config.lr_decay, config.weight_decay) == (0.9, 1e-4)


LEARNERS = {
    "baseline": lambda: BaselineLearner(image_head(ImageHead), BaselineConfig()),
    "eac": lambda: EacLearner(image_head(ImageHead), EacConfig()),
    "rul": lambda: rul(),
    "scn": lambda: ScnLearner(image_head(ImportanceHead), torch.zeros(1, dtype=torch.int64), ScnConfig()),
}


@pytest.mark.parametrize(
    ("name", "flipped", "noisy", "both"),
    [("baseline", 0.5, 0.5, 0.25), ("eac", 0.0, 0.5, 0.0), ("rul", 0.25, 0.25, 0.0), ("scn", 0.25, 0.25, 0.0)],
)
def test_augmentations_are_as_frequent_as_in_the_authors_code(name, flipped, noisy, both):
    """CAFE flips and adds noise independently, EAC never flips its first image, RUL and SCN choose one for half of the
    images. All erase a rectangle of half of them."""
    n = 1000
    drawn = LEARNERS[name]().draw(n, rng())
    with_noise = torch.zeros(n, dtype=torch.bool)
    with_noise[drawn["noisy"]] = True
    chosen = {"flipped": drawn["flipped"], "noisy": with_noise, "both": drawn["flipped"] & with_noise}
    found = {what: rows.float().mean().item() for what, rows in chosen.items()}
    assert found == pytest.approx({"flipped": flipped, "noisy": noisy, "both": both}, abs=0.05)
    assert (drawn["erased"][:, 2] > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def fitted(name, **options):
    source = separable_source(n=2)
    config = config_class(name)(backbone="small", epochs=1, **options)
    return load_method(name).fit(TrainingInputs(source, source.classes), config, 0)


class TestPretrained:
    @pytest.fixture
    def path(self, tmp_path):
        donor = Backbone("small")
        donor.reset(rng(9))
        safetensors.torch.save_file(donor.net.state_dict(), tmp_path / "face.safetensors")
        return tmp_path / "face.safetensors"

    @pytest.mark.parametrize("name", IMAGE_METHODS)
    def test_weights_are_where_training_starts_and_a_finding(self, name, path):
        found = fitted(name, pretrained=str(path)).diagnostics["pretrained"]
        assert (found["file"], found["share"], len(found["sha256"])) == ("face.safetensors", 1.0, 64)

    def test_weights_change_the_head(self, path, tmp_path):
        plain, loaded = fitted("baseline"), fitted("baseline", pretrained=str(path))
        assert "pretrained" not in plain.diagnostics
        assert not torch.equal(*(fit.head.backbone.net.stage1[0].weight for fit in (plain, loaded)))

    def test_a_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(ConfigError, match="pretrained: no file at"):
            fitted("baseline", pretrained=str(tmp_path / "nowhere.pth"))


class TestBaseline:
    def test_its_loss_is_the_cross_entropy_of_the_augmented_images(self):
        learner = BaselineLearner(image_head(ImageHead), BaselineConfig(flip=1.0, noise=0.0, erase=0.0))
        batch = image_batch(learner, [0, 1, 2, 0])
        logits = learner.head.image_logits(to_images(batch.inputs["pixels"].flip(2)))
        found = {name: term.item() for name, term in learner.loss_terms(batch).items()}
        assert found == {"cls": pytest.approx(functional.cross_entropy(logits, batch.labels).item(), rel=1e-5)}

    def test_the_same_draw_gives_the_same_terms(self):
        """All randomness is drawn beforehand: augmentations too."""
        learner = BaselineLearner(image_head(ImageHead), BaselineConfig()).eval()
        batch = image_batch(learner, [0, 1, 2])
        assert torch.equal(learner.loss_terms(batch)["cls"], learner.loss_terms(batch)["cls"])


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2", "resnet50", "swin_tiny"])
def test_published_networks_learn_and_keep_their_logits_when_packed(backbone):
    """Three rows in batches of two, so that the last batch is one row; every tensor has moved from its first values."""
    source = separable_source(n=3)
    config = BaselineConfig(backbone=backbone, epochs=1, batch_size=2, select_by="last")
    head = load_method("baseline").fit(TrainingInputs(source, source.classes), config, 0).head
    first = ImageHead(head.spec)
    first.reset(rng(0))
    assert head.spec.options == {"backbone": backbone}
    for (name, value), before in zip(head.named_parameters(), first.parameters(), strict=True):
        assert not torch.equal(value, before), name
    pixels = {"pixels": source.features("val", "pixels")}
    assert (unpack(*pack(head)).predict(pixels) == head.predict(pixels)).all()


class Halves(torch.nn.Module):
    """A network whose one channel is the brightness of the image's left and right half."""

    def maps(self, images):
        return functional.adaptive_avg_pool2d(images[:, :1], (1, 2))


class Stubborn(torch.nn.Module):
    """A network that sees 1 on the left and 3 on the right in any image."""

    def maps(self, images):
        return torch.tensor([1.0, 3.0]).expand(len(images), 1, 1, 2)


class Twice(Halves):
    """Multiplies what it sees by one factor in the first of two calls, by another in the second."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        self.calls = 0

    def maps(self, images):
        self.calls += 1
        return super().maps(images) * self.weights[(self.calls - 1) % 2]


class Always(torch.nn.Module):
    """A branch that gives the same rows whatever it reads."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, maps, kept=None):
        return self.rows


class TestEac:
    def learner(self, **options):
        learner = EacLearner(image_head(ImageHead), EacConfig(**options))
        return learner.eval()  # the same statistics for both images

    def test_factors_are_the_papers_or_those_asked_for(self):
        assert self.learner().loss_weights == {"cls": 1.0, "consistency": 5.0}
        assert self.learner(lambda_consistency=2.0).loss_weights == {"cls": 1.0, "consistency": 2.0}

    def test_what_follows_the_face_into_the_mirror_is_consistent(self):
        assert self.consistency_of(Halves()) == pytest.approx(0, abs=1e-12)

    def test_what_stays_where_it_is_is_not(self):
        """Maps (1, 3) of both images: A = W (1, 3) against W (3, 1) mirrored back, W = (1, -1): all differ by 2."""
        assert self.consistency_of(Stubborn()) == pytest.approx(4.0)

    def consistency_of(self, backbone):
        learner = self.learner(noise=0.0)
        learner.head.backbone, learner.head.classifier = backbone, torch.nn.Linear(1, 2)
        learner.head.classifier.weight.data = torch.tensor([[1.0], [-1.0]])
        return learner.loss_terms(image_batch(learner, [0, 1]))["consistency"].item()

    def test_labels_are_learnt_from_the_first_image_alone(self):
        learner = self.learner(noise=0.0, **STILL)
        batch = image_batch(learner, [0, 1, 2])
        expected = functional.cross_entropy(learner.head.image_logits(to_images(batch.inputs["pixels"])), batch.labels)
        assert learner.loss_terms(batch)["cls"].item() == pytest.approx(expected.item(), rel=1e-5)

    @pytest.mark.parametrize("mirrored", ["augmented", "plain"])
    def test_without_augmentation_both_mirrors_are_the_mirrored_image(self, mirrored):
        learner = self.learner(noise=0.0, erase=0.0, mirrored=mirrored)
        batch = image_batch(learner, [0, 1, 2])
        images = learner.images(batch)
        torch.testing.assert_close(learner._mirrored(images, batch), images.flip(-1))

    @pytest.mark.parametrize("mirrored", ["augmented", "plain"])
    def test_the_mirror_is_erased_alike_or_anew(self, mirrored):
        learner = self.learner(noise=0.0, erase=1.0, mirrored=mirrored)
        batch = image_batch(learner, [0] * 20)
        images = learner.images(batch)
        back = learner._mirrored(images, batch).flip(-1)
        assert torch.equal(back, images) == (mirrored == "augmented")
        assert ((back == 0).all(dim=1).sum(dim=(1, 2)) > 0).all()

    def test_both_images_shape_the_network_by_agreement_and_the_first_by_its_label(self):
        learner = self.learner()
        batch = image_batch(learner, [0, 1])
        learner.head.backbone, learner.head.classifier = Twice(), torch.nn.Linear(1, 3)
        weights = learner.head.backbone.weights
        for term, expected in (("consistency", [True, True]), ("cls", [True, False])):
            (gradient,) = torch.autograd.grad(learner.loss_terms(batch)[term], weights)
            assert (gradient != 0).tolist() == expected, term

    def test_the_classifier_is_not_pulled_towards_agreement(self):
        learner = self.learner()
        learner.loss_terms(image_batch(learner, [0, 1]))["consistency"].backward()
        assert learner.head.classifier.weight.grad is None
        assert learner.head.backbone.net.stage1[0].weight.grad.any()


class TestRul:
    def test_the_classifier_learns_at_a_rate_of_its_own(self):
        learner, config = rul(), RulConfig()
        optimizer = adam_settings(learner, config, groups=learner.parameter_groups(config.lr_classifier)).optimizer
        rest, classifier = optimizer.param_groups
        assert (rest["lr"], classifier["lr"]) == (2e-4, 2e-3)
        assert {id(v) for v in classifier["params"]} == {id(v) for v in learner.head.classifier.parameters()}
        assert len(rest["params"]) + 2 == len(list(learner.parameters()))

    def test_options_reach_the_head_and_the_optimiser(self):
        """Rates near zero leave initial weights as they are; that of the classifier alone is raised."""
        still, moved = (fitted("rul", lr=1e-20, dimensions=7, lr_classifier=lr) for lr in (1e-20, 0.1))
        assert moved.head.embedding.dimensions == 7
        assert torch.equal(still.head.embedding.linear.weight, moved.head.embedding.linear.weight)
        assert not torch.equal(still.head.classifier.weight, moved.head.classifier.weight)

    def test_of_a_batch_of_pairs_the_loss_is_that_of_the_mixtures(self):
        """Uncertainties equal (weights 0): mixtures are the means of pairs."""
        learner = rul(dropout=0.0).eval()
        for value in learner.log_variance.parameters():
            torch.nn.init.zeros_(value)
        batch = image_batch(learner, [0, 1, 2])
        partner = batch.noise["partner"]
        embeddings = learner.head.embedding(learner.head.backbone.maps(learner.images(batch)))
        logits = learner.head.classifier((embeddings + embeddings[partner]) / 2)
        losses = [functional.cross_entropy(logits, batch.labels[rows]) for rows in (torch.arange(3), partner)]
        assert learner.loss_terms(batch)["add_up"].item() == pytest.approx(sum(losses).item() / 2, rel=1e-5)

    def test_a_constant_classifier_costs_the_entropy(self):
        """Weights 0, three classes: ln 3, whoever is mixed with whom."""
        learner = rul()
        for value in learner.head.classifier.parameters():
            torch.nn.init.zeros_(value)
        assert learner.loss_terms(image_batch(learner, [0, 1, 2]))["add_up"].item() == pytest.approx(
            math.log(3), rel=1e-5
        )

    def test_uncertainty_is_learnt_and_thrown_away(self):
        learner = rul()
        learner.loss_terms(image_batch(learner, [0, 1, 2, 0]))["add_up"].backward()
        assert learner.log_variance.linear.weight.grad.any()
        assert not any("variance" in name for name in learner.head.state_dict())

    def test_dropout_is_drawn_beforehand_for_each_branch(self):
        drawn = rul().draw(50, rng())
        assert sorted(drawn["partner"].tolist()) == list(range(50))
        for name in ("dropout", "dropout_variance"):
            assert (drawn[name] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
        assert not torch.equal(drawn["dropout"], drawn["dropout_variance"])

    def test_the_less_certain_face_weighs_more(self):
        """Uncertainties 1 and 3: both mixtures are 1/4 of the first embedding and 3/4 of the second."""
        learner = rul(dropout=0.0).eval()
        batch = image_batch(learner, [0, 1])
        learner.log_variance = Always(torch.tensor([1.0, 3.0]).log()[:, None])
        batch.noise["partner"][:] = torch.tensor([1, 0])
        first, second = learner.head.embedding(learner.head.backbone.maps(learner.images(batch)))
        logits = learner.head.classifier((first + 3 * second) / 4).expand(2, -1)
        expected = functional.cross_entropy(logits, batch.labels).item()
        assert learner.loss_terms(batch)["add_up"].item() == pytest.approx(expected, rel=1e-5)

    def test_uncertainty_shapes_the_backbone_too(self):
        """Embeddings that no image changes: what the backbone learns, it learns from the uncertainties."""
        learner = rul()
        batch = image_batch(learner, [0, 1, 2, 0])
        batch.noise["partner"][:] = torch.tensor([1, 2, 3, 0])
        learner.head.embedding = Always(torch.eye(4, 5))
        learner.loss_terms(batch)["add_up"].backward()
        assert learner.head.backbone.net.stage1[0].weight.grad.any()

    @pytest.mark.parametrize("name", ["dropout", "dropout_variance"])
    def test_each_branch_loses_what_was_drawn_for_it(self, name):
        learner = rul()
        batch = image_batch(learner, [0, 1, 2, 0])
        before = learner.loss_terms(batch)["add_up"].item()
        batch.noise[name][:] = batch.noise[name].flip(0)
        assert learner.loss_terms(batch)["add_up"].item() != pytest.approx(before, rel=1e-4)

    def test_first_weights_of_the_uncertainty_are_the_generators(self):
        heads = [image_head(EmbeddingHead, dimensions=5) for _ in range(3)]
        drawn = [RulLearner(head, RulConfig(), rng(seed)) for head, seed in zip(heads, (1, 1, 2), strict=True)]
        one, same, other = (learner.log_variance.linear.weight for learner in drawn)
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_weights_of_a_trained_head_lie_in_memory_as_in_files(name):
    source = separable_source()
    config = config_class(name)(backbone="small", epochs=1)
    head = load_method(name).fit(TrainingInputs(source, source.classes), config, seed=0).head
    assert all(value.is_contiguous() for value in head.state_dict().values())
