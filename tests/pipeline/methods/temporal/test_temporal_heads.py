"""What heads on the frames of a clip promise, beside what every method does; values of attention pooling by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from memory_clips import MemoryClips, clips_of_frames
from memory_source import MemorySource, separable_source, text_for
from overfit import OVERFIT
from pydantic import ValidationError
from tiny_encoder import tiny_encoder

from pipeline.errors import MismatchError, TrainingError
from pipeline.learning.evaluation import evaluate
from pipeline.learning.learner import Batch
from pipeline.learning.method import FitResult, TrainingInputs
from pipeline.learning.optimizers import step_decay
from pipeline.learning.spec import HeadSpec, most_weight_bytes
from pipeline.methods import config_class, load_method
from pipeline.methods.packing import build_head, pack, unpack
from pipeline.methods.temporal.heads import TemporalAttentionHead, TemporalHead
from pipeline.methods.temporal.train import TemporalLearner
from pipeline.records.head import HeadDescription

T, D = 4, 6
CLASSES = ("fear", "anger", "neutral")
OPTIONS: dict[str, dict[str, Any]] = {
    "temporal-attention": {"queries": 2},
    "temporal-transformer": {"layers": 2, "heads": 2, "head_width": 3, "hidden": 5},
}
RNG = np.random.default_rng(0)
FRAMES = RNG.standard_normal((5, T, D), np.float32)


def make_head(kind: str, seed: int = 0, n_frames: int = T, **options: Any) -> Any:
    """A head whose parameters are all random: queries begin as 0, where nothing depends on them."""
    spec = HeadSpec(
        kind, CLASSES, {"frames": (n_frames, D)}, {}, "clips", options=OPTIONS[kind] | options, clip_frames=n_frames
    )
    head = build_head(spec)
    rng = torch.Generator().manual_seed(seed)
    head.reset(rng)
    if isinstance(head, TemporalAttentionHead):
        torch.nn.init.normal_(head.queries, generator=rng)
    return head.eval()


@pytest.fixture(params=OPTIONS)
def head(request: pytest.FixtureRequest) -> Any:
    return make_head(request.param)


def fit(method: str, source: MemorySource, seed: int = 0, **options: Any) -> FitResult:
    inputs = TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())
    return load_method(method).fit(inputs, config_class(method)(**options), seed)


def test_attention_pooling_by_hand() -> None:
    """Two frames (1, 0, 0, 0) and (0, 2, 0, 0), the query (2 ln 3, 0, 0, 0); D = 4, so that scores are ln 3 and 0 and
    weights 3/4 and 1/4. The mean is (0.75, 0.5, 0, 0). Rows of W pick its first two numbers: logits 0.75 and 0.5 + 1.
    """
    spec = HeadSpec("temporal-attention", CLASSES[:2], {"frames": (2, 4)}, {}, "clips", options={"queries": 1})
    head = TemporalAttentionHead(spec)
    with torch.no_grad():
        head.queries.copy_(torch.tensor([[2 * math.log(3), 0, 0, 0]]))
        head.classifier.weight.copy_(torch.eye(2, 4))
        head.classifier.bias.copy_(torch.tensor([0.0, 1.0]))
    frames = torch.tensor([[[1.0, 0, 0, 0], [0, 2, 0, 0]]])
    torch.testing.assert_close(head.attention(frames), torch.tensor([[[0.75], [0.25]]]))
    torch.testing.assert_close(head({"frames": frames}), torch.tensor([[0.75, 1.5]]))


def test_weights_of_attention_sum_to_one_for_each_query() -> None:
    weights = make_head("temporal-attention").attention(torch.from_numpy(100 * FRAMES))
    assert weights.shape == (5, T, 2)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5, 2))
    assert (weights >= 0).all()


def test_attention_begins_as_the_mean_of_the_frames() -> None:
    head = build_head(make_head("temporal-attention", queries=1).spec)
    head.reset(torch.Generator().manual_seed(0))
    assert isinstance(head, TemporalAttentionHead)
    torch.testing.assert_close(head.embed(torch.from_numpy(FRAMES)), torch.from_numpy(FRAMES.mean(axis=1)))


@pytest.mark.parametrize(("kind", "matters"), [("temporal-attention", False), ("temporal-transformer", True)])
def test_the_order_of_frames_matters_to_the_transformer_alone(kind: str, matters: bool) -> None:
    head = make_head(kind)
    logits, turned = head.predict({"frames": FRAMES}), head.predict({"frames": FRAMES[:, ::-1].copy()})
    assert np.allclose(logits, turned, atol=1e-5) is not matters


def test_without_positions_the_transformer_has_no_order() -> None:
    head = make_head("temporal-transformer")
    torch.nn.init.zeros_(head.positions)
    np.testing.assert_allclose(
        head.predict({"frames": FRAMES}), head.predict({"frames": FRAMES[:, [2, 0, 3, 1]]}), atol=1e-5
    )


def test_every_frame_counts(head: TemporalHead) -> None:
    logits = head.predict({"frames": FRAMES})
    for t in range(T):
        other = FRAMES.copy()
        other[:, t, 0] += 1  # of all channels: a layer norm takes it away
        assert not np.allclose(head.predict({"frames": other}), logits, atol=1e-4), t


def test_the_last_layer_computes_the_class_token_only_and_nothing_changes() -> None:
    """Against all tokens of both layers, of which the first is taken."""
    head = make_head("temporal-transformer")
    tokens = torch.cat([head.class_token.expand(5, 1, -1), torch.from_numpy(FRAMES)], dim=1) + head.positions
    for layer in head.layers:
        tokens = layer(tokens, T + 1, {})
    torch.testing.assert_close(head.embed(torch.from_numpy(FRAMES)), tokens[:, 0])


def test_a_layer_is_torch_s_own_with_its_weights() -> None:
    """torch.nn.TransformerEncoderLayer has biases of queries, keys and values, here 0, and the exact GELU, set here."""
    layer = make_head("temporal-transformer", head_width=3, heads=2).layers[0]
    theirs = torch.nn.TransformerEncoderLayer(D, 2, 5, 0.0, torch.nn.GELU("tanh"), batch_first=True, norm_first=True)
    torch.nn.init.zeros_(theirs.self_attn.in_proj_bias)
    pairs = (
        (theirs.self_attn.in_proj_weight, layer.queries_keys_values.weight),
        *((a, b) for a, b in zip(theirs.self_attn.out_proj.parameters(), layer.project.parameters(), strict=True)),
        *((a, b) for a, b in zip(theirs.linear1.parameters(), layer.expand.parameters(), strict=True)),
        *((a, b) for a, b in zip(theirs.linear2.parameters(), layer.contract.parameters(), strict=True)),
    )
    with torch.no_grad():
        for their, our in pairs:
            their.copy_(our)
    tokens = torch.from_numpy(FRAMES)
    torch.testing.assert_close(layer(tokens, T, {}), theirs(tokens), atol=1e-5, rtol=1e-5)


def test_heads_of_one_frame(head: TemporalHead) -> None:
    one = make_head(head.spec.kind, n_frames=1)
    assert one.predict({"frames": FRAMES[:, :1]}).shape == (5, 3)
    with pytest.raises(MismatchError, match=r"expects frames of shape \(1, 6\), found \(4, 6\)"):
        one.predict({"frames": FRAMES})


def test_gradients(head: TemporalHead) -> None:
    double = head.double()
    frames = torch.from_numpy(FRAMES[:2]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda values: double.logits({"frames": values}), (frames,))
    parameters = dict(double.named_parameters())

    def logits(*values: torch.Tensor) -> torch.Tensor:
        named = dict(zip(parameters, values, strict=True))
        result: torch.Tensor = torch.func.functional_call(double, named, ({"frames": frames.detach()},))
        return result

    assert torch.autograd.gradcheck(logits, tuple(parameters.values()))


def test_packs_and_unpacks_and_its_description_and_size_are_those_of_records(head: TemporalHead) -> None:
    state, description = pack(head)
    again = unpack(state, json.loads(json.dumps(description)))
    np.testing.assert_array_equal(again.predict({"frames": FRAMES}), head.predict({"frames": FRAMES}))
    features = {
        "encoder": {"family": "a", "architecture": "b", "weights": "c"},
        "preprocess": tiny_encoder().preprocess.as_json(),
        "precision": "float32",
    }
    record = HeadDescription.model_validate(description | {"encoder": features})
    for change in ({"clip_frames": T + 1}, {"clip_frames": None}, {"inputs": {"frames": [D]}}):
        with pytest.raises(ValidationError, match=r"inputs\.frames: expected clip_frames"):
            HeadDescription.model_validate(description | {"encoder": features} | change)
    assert record.as_json()["options"] == head.spec.options
    assert len(state) <= most_weight_bytes(description)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("temporal-attention", {"queries": 40}),
        ("temporal-transformer", {"layers": 7, "heads": 30, "head_width": 20, "hidden": 1}),
        ("temporal-transformer", {"layers": 3, "heads": 1, "head_width": 1, "hidden": 400}),
    ],
)
def test_no_head_is_larger_than_the_bound_on_its_file(kind: str, options: dict[str, Any]) -> None:
    head = make_head(kind, n_frames=900, **options)
    n_bytes = sum(value.numel() * 4 for value in head.state_dict().values())
    assert n_bytes <= most_weight_bytes(head.spec.as_json()) - 2**20


def ordered_clips(n: int = 16, n_frames: int = 3) -> MemoryClips:
    """Clips of frames of their own; those of every second one are the ones of the clip before, in the other order."""
    frames = np.random.default_rng(3).standard_normal((n // 2, n_frames, 32), np.float32)
    both = np.stack([frames, frames[:, ::-1]], axis=1).reshape(n, n_frames, 32)
    return clips_of_frames(both, np.array(["surprise", "fear"] * (n // 2)))


def test_what_only_the_order_tells_is_learnt_by_the_transformer_and_by_no_mean() -> None:
    """T = 3, all frames once: of short clips the last frame is repeated, which changes a mean."""
    options = {"clip_frames": 3, "epochs": 60, "batch_size": 8}
    source = ordered_clips()
    transformer = OVERFIT["temporal-transformer"] | options
    assert fit("temporal-transformer", source, **transformer).val.accuracy == 1.0
    assert fit("temporal-attention", source, **OVERFIT["temporal-attention"] | options).val.accuracy == 0.5
    assert fit("linear-probe", source, clip_frames=3).val.accuracy == 0.5


def test_the_mean_of_the_frames_is_what_methods_on_pooled_features_read() -> None:
    """linear-probe on clips equals linear-probe on the means of their frames."""
    clips = clips_of_frames(RNG.standard_normal((14, 4, 32), np.float32), separable_source(n=14).labels("train"))
    means = clips.splits["train"][0].reshape(1, 14, 4, 32).mean(axis=2)
    images = MemorySource({split: (means, clips.labels(split)) for split in ("train", "val")}, encoder=clips.encoder)
    ours, theirs = (fit("linear-probe", source, clip_frames=4).head.state_dict() for source in (clips, images))
    for name, values in theirs.items():
        torch.testing.assert_close(ours[name], values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", OPTIONS)
def test_a_short_clip_is_one_whose_last_frame_is_repeated(method: str) -> None:
    frames = RNG.standard_normal((14, 2, 32), np.float32)
    labels = separable_source(n=14).labels("train")
    repeated = np.concatenate([frames, frames[:, 1:], frames[:, 1:]], axis=1)
    options = OVERFIT[method] | {"clip_frames": 4, "epochs": 2}
    heads = [fit(method, clips_of_frames(each, labels), **options).head for each in (frames, repeated)]
    np.testing.assert_array_equal(*(head.predict({"frames": repeated}) for head in heads))


@pytest.mark.parametrize("method", OPTIONS)
def test_an_image_is_a_clip_of_one_frame(method: str) -> None:
    """A head of clips scores images: T times the same frame."""
    images = separable_source(n=14)
    clips = clips_of_frames(images.splits["train"][0][0][:, None], images.labels("train"))
    head = fit(method, clips, **OVERFIT[method]).head
    assert evaluate(head, images, "val").as_json() == evaluate(head, clips, "val").as_json()


@pytest.mark.parametrize("method", OPTIONS)
def test_images_alone_are_refused_with_what_to_do(method: str) -> None:
    with pytest.raises(TrainingError, match=r"faces train: expected clips, found images: .*another method on this one"):
        fit(method, separable_source())


@pytest.mark.parametrize("method", OPTIONS)
def test_random_frames_are_others_in_each_epoch_and_validation_reads_the_centres(method: str) -> None:
    labels = separable_source(n=14).labels("train")
    source = clips_of_frames(RNG.standard_normal((14, 9, 32), np.float32), labels)
    options = OVERFIT[method] | {"clip_frames": 3, "epochs": 3, "select_by": "last"}
    random, centre = (fit(method, source, clip_sampling=how, **options) for how in ("random", "centre"))
    assert pack(random.head)[0] != pack(centre.head)[0]
    frames = source.splits["val"][0][0].reshape(14, 9, 32)[:, [1, 4, 7]]
    codes = np.array([source.classes.index(label) for label in labels])
    for fitted in (random, centre):
        accuracy = (fitted.head.predict({"frames": frames}).argmax(axis=1) == codes).mean()
        assert fitted.val.accuracy == pytest.approx(accuracy)


class TestDropout:
    def learner(self, kind: str, rate: float) -> TemporalLearner:
        return TemporalLearner(make_head(kind), rate)

    def batch(self, noise: dict[str, torch.Tensor]) -> Batch:
        return Batch({"frames": torch.from_numpy(FRAMES)}, torch.tensor([0, 1, 2, 0, 1]), torch.arange(5), 1, noise)

    @pytest.mark.parametrize("kind", OPTIONS)
    def test_all_of_it_is_drawn_before_the_step(self, kind: str) -> None:
        learner = self.learner(kind, 0.5)
        noises = [learner.draw(5, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
        losses = [learner.loss_terms(self.batch(noise))["cls"].item() for noise in noises]
        assert losses[0] == losses[1] != losses[2]

    @pytest.mark.parametrize("kind", OPTIONS)
    def test_a_rate_of_nought_draws_nothing(self, kind: str) -> None:
        assert self.learner(kind, 0.0).draw(5, torch.Generator()) == {}

    def test_places_and_shapes(self) -> None:
        """The last layer computes one token of five, and drops of one."""
        noise = self.learner("temporal-transformer", 0.25).draw(3, torch.Generator().manual_seed(0))
        assert {place: tuple(values.shape) for place, values in noise.items()} == {
            "attention-0": (3, 5, 6), "hidden-0": (3, 5, 5), "output-0": (3, 5, 6),
            "attention-1": (3, 1, 6), "hidden-1": (3, 1, 5), "output-1": (3, 1, 6),
        }  # fmt: skip
        assert {round(value, 5) for values in noise.values() for value in values.flatten().tolist()} == {0.0, 1.33333}
        attention = self.learner("temporal-attention", 0.25).draw(3, torch.Generator())
        assert {place: tuple(values.shape) for place, values in attention.items()} == {"pooled": (3, 12)}

    def test_what_is_dropped_is_scaled(self) -> None:
        """A mean of which all but the first number is dropped: the first number, doubled."""
        head = make_head("temporal-attention", queries=1)
        factors = {"pooled": torch.tensor([[2.0, 0, 0, 0, 0, 0]])}
        frames = torch.from_numpy(FRAMES)
        expected = head.embed(frames)[:, 0] * 2
        dropped = head.embed(frames, factors)
        torch.testing.assert_close(dropped[:, 0], expected)
        assert not dropped[:, 1:].any()


def test_learning_rates_of_dfer_clip_fall_after_30_and_40_of_50_epochs() -> None:
    factors = [step_decay(50, 0.1)(epoch) for epoch in range(50)]
    assert factors == pytest.approx([1.0] * 30 + [0.1] * 10 + [0.01] * 10)
    assert [step_decay(3, 0.5)(epoch) for epoch in range(3)] == [1.0, 1.0, 0.5]
