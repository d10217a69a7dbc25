import numpy as np
import pytest
import torch

from pipeline.images.augment import to_images
from pipeline.learning.engines import convolutions_in
from pipeline.learning.spec import HeadSpec
from pipeline.methods.image.heads import ImageHead
from pipeline.methods.noisy.heads import EmbeddingHead, ImportanceHead, MapEmbedding
from pipeline.methods.packing import head_class, pack, unpack

KINDS = {"image": ImageHead, "image-importance": ImportanceHead, "image-embedding": EmbeddingHead}
CLASSES = ("surprise", "fear", "disgust")


def started(kind, size=16, backbone="small", seed=0):
    spec = HeadSpec(
        kind, CLASSES, {"pixels": (size, size, 3)}, {}, "faces", options={"backbone": backbone, "dimensions": 5}
    )
    head = KINDS[kind](spec)
    head.reset(torch.Generator().manual_seed(seed))
    return head


def faces(n, size=16, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def trained_a_little(kind, **changes):
    """A head whose batch norms have seen some images, so that forgetting their statistics shows."""
    head = started(kind, **changes).train()
    for seed in range(3):
        head({"pixels": torch.from_numpy(faces(8, head.size, seed))})
    return head


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_a_kind_leads_to_its_class(kind):
    assert head_class(kind) is KINDS[kind]


def test_packing_keeps_what_the_batch_norms_have_seen(kind):
    head, pixels = trained_a_little(kind), {"pixels": faces(4)}
    state, description = pack(head)
    np.testing.assert_array_equal(unpack(state, description).predict(pixels), head.predict(pixels))
    assert head.backbone.net.stage1[1].running_mean.any()


def test_logits_are_the_same_however_rows_are_chunked(kind, monkeypatch):
    head, pixels = trained_a_little(kind), {"pixels": faces(11)}
    together = head.predict(pixels)
    for rows in (1, 4):
        monkeypatch.setattr(KINDS[kind], "predict_rows", rows)
        np.testing.assert_allclose(head.predict(pixels), together, rtol=1e-4, atol=1e-5)


def test_64_images_go_through_at_once(kind):
    assert KINDS[kind].predict_rows == 64


def test_prediction_leaves_the_statistics_alone(kind):
    head = trained_a_little(kind)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    head.train().predict({"pixels": faces(5)})
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_first_weights_come_from_the_generator_alone(kind):
    before = torch.random.get_rng_state()
    one, same, other = (pack(started(kind, seed=seed))[0] for seed in (1, 1, 2))
    assert one == same != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_logits_are_those_of_the_normalised_images(kind):
    head, pixels = trained_a_little(kind).eval(), torch.from_numpy(faces(2))
    torch.testing.assert_close(head({"pixels": pixels}), head.image_logits(to_images(pixels)))


def test_importance_scales_the_logits():
    """Weights 0: logits (0, 0, 0) + bias (1, 2, 3), importance sigmoid(ln 3) = 3/4."""
    head = started("image-importance").eval()
    for layer, bias in ((head.classifier, [1.0, 2.0, 3.0]), (head.importance, [float(np.log(3))])):
        torch.nn.init.zeros_(layer.weight)
        layer.bias.data = torch.tensor(bias)
    logits, importance = head.logits_and_importance(head.embed(torch.zeros(2, 3, 16, 16)))
    assert importance.tolist() == pytest.approx([0.75, 0.75])
    assert logits.tolist() == [pytest.approx([0.75, 1.5, 2.25])] * 2
    assert torch.equal(head.image_logits(torch.zeros(2, 3, 16, 16)), logits)


class TestMapEmbedding:
    """One channel, 2 x 2 places, one dimension, weights 1, 10, 100, 1000 row by row."""

    def embedding(self):
        made = MapEmbedding(1, 2, 1)
        made.reset(torch.Generator().manual_seed(0))
        made.linear.weight.data = torch.tensor([[1.0, 10.0, 100.0, 1000.0]])
        made.linear.bias.data = torch.zeros(1)
        return made

    def test_reads_every_place_with_a_weight_of_its_own(self):
        """Fresh running statistics change nothing but for eps 2e-5: 2 * 1 + 3 * 100 = 302."""
        found = self.embedding().eval()(torch.tensor([[[[2.0, 0.0], [3.0, 0.0]]]]))
        assert found.item() == pytest.approx(302, rel=1e-4)

    def test_what_dropout_keeps_is_scaled(self):
        """Half is dropped: 3 at weight 100 counts double, 2 not at all: 600."""
        kept = torch.tensor([[[[0.0, 2.0], [2.0, 0.0]]]])
        found = self.embedding().eval()(torch.tensor([[[[2.0, 0.0], [3.0, 0.0]]]]), kept)
        assert found.item() == pytest.approx(600, rel=1e-4)

    def test_draws_what_dropout_keeps(self):
        kept = MapEmbedding(8, 2, 1).draw_dropout(100, 0.4, torch.Generator().manual_seed(0))
        assert kept.shape == (100, 8, 2, 2)
        assert kept.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
        assert (kept == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)

    def test_batch_norms_are_the_authors_and_the_first_learns_no_scale(self):
        made = self.embedding()
        assert (made.norm_maps.eps, made.norm.eps) == (2e-5, 2e-5)
        names = {name for name, _ in made.named_parameters()}
        assert names == {"linear.weight", "linear.bias", "norm.weight", "norm.bias"}

    def test_maps_are_normalised_channel_by_channel(self):
        """Channels of other sizes and places: after the first batch norm both have mean 0 and deviation 1."""
        made = MapEmbedding(2, 1, 2)
        made.reset(torch.Generator().manual_seed(0))
        made.linear.weight.data, made.linear.bias.data = torch.eye(2), torch.zeros(2)
        made.norm = torch.nn.Identity()
        maps = torch.randn(200, 2, 1, 1, generator=torch.Generator().manual_seed(1)) * 5 + 30
        found = made.train()(maps)
        torch.testing.assert_close(found.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(2), atol=1e-3, rtol=0)

    def test_reset_forgets_what_the_batch_norms_have_seen(self):
        made = self.embedding().train()
        fresh = {name: value.clone() for name, value in made.named_buffers()}
        made(torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0)))
        made.reset(torch.Generator().manual_seed(0))
        assert all(torch.equal(value, fresh[name]) for name, value in made.named_buffers())

    def test_embeddings_of_a_batch_have_mean_0_and_deviation_1(self):
        made = self.embedding().train()
        found = made(torch.rand(50, 1, 2, 2, generator=torch.Generator().manual_seed(0)))
        assert found.mean().item() == pytest.approx(0, abs=1e-5)
        assert found.std(correction=0).item() == pytest.approx(1, abs=1e-3)

    def test_one_row_is_normalised_by_the_running_statistics(self):
        made, row = self.embedding().train(), torch.rand(1, 1, 2, 2, generator=torch.Generator().manual_seed(0))
        trained = made(row)
        assert torch.equal(trained, made.eval()(row))


def test_channels_last_changes_neither_logits_nor_steps(kind):
    """Adam with a large eps, so that a step follows the gradient: with its own eps a small one counts by its sign."""
    heads = {}
    for memory_format in (torch.contiguous_format, torch.channels_last):
        head = trained_a_little(kind).train()
        convolutions_in(head, memory_format)
        assert head.backbone.net.stage2[0].weight.is_contiguous(memory_format=memory_format)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.1, eps=1.0, fused=True)
        images = to_images(torch.from_numpy(faces(6)))
        for _ in range(2):
            optimizer.zero_grad()
            logits = head.image_logits(images.contiguous(memory_format=memory_format))
            logits.square().mean().backward()
            optimizer.step()
        heads[memory_format] = head
    contiguous, last = heads.values()
    torch.testing.assert_close(last.state_dict(), contiguous.state_dict(), rtol=1e-4, atol=1e-5)
    last.load_state_dict(contiguous.state_dict())
    pixels = {"pixels": faces(4)}
    np.testing.assert_allclose(last.predict(pixels), contiguous.predict(pixels), rtol=1e-5, atol=1e-5)
    assert pack(last) == pack(contiguous)
