import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.learning.learner import Learner, TrainingSettings
from pipeline.learning.loop import _GATHERED_BYTES, best_epoch, train, train_ensemble
from pipeline.learning.metrics import METRICS, Metric, accuracy_score
from pipeline.learning.optimizers import exponential_decay, warmup_cosine
from pipeline.learning.rows import Rows, TrainingData
from pipeline.learning.spec import HeadSpec
from pipeline.methods.probe.heads import LinearHead


class LinearLearner(Learner):
    """Cross-entropy of a linear head, in two halves, and a record of the rows it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_weights = {"ce": 1.0, "half": 0.5}
        self.head = LinearHead(HeadSpec("linear", ("fear", "anger"), {"pooled": (1,)}, {}, "faces"))
        nn.init.zeros_(self.head.classifier.weight)
        nn.init.zeros_(self.head.classifier.bias)
        self.batches: list[list[float]] = []
        self.rows: list[list[int]] = []

    def loss_terms(self, batch):
        self.batches.append(batch.inputs["pooled"][:, 0].tolist())
        self.rows.append(batch.rows.tolist())
        loss = nn.functional.cross_entropy(self.head(batch.inputs), batch.labels)
        return {"ce": loss, "half": loss}


def ids(n):
    return np.array([f"face-{i}" for i in range(n)])


def rows(features, labels, n_views=1):
    values = np.array(features, dtype=np.float32).reshape(-1, 1)
    return Rows(
        {"pooled": tuple(values + 100 * view for view in range(n_views))}, torch.tensor(labels), ids(len(labels))
    )


DATA = TrainingData(rows([-1, -2, 1, 2, 3], [0, 0, 1, 1, 1]), rows([-1, 1], [0, 1]))


def run(data=DATA, seed=0, lr=0.1, on_progress=lambda progress: None, learner=None, **changes):
    learner = learner or LinearLearner()
    optimizer = torch.optim.SGD(learner.parameters(), lr=lr)
    options = {"lr_factor": exponential_decay(1.0), "epochs": 3, "batch_size": 2, "select_by": "accuracy"} | changes
    trained = train(
        learner, data, TrainingSettings(optimizer, **options), torch.Generator().manual_seed(seed), on_progress
    )
    return learner, trained


def epochs_of(learner: LinearLearner, per_epoch: int) -> list[list[float]]:
    flat = [value for batch in learner.batches for value in batch]
    return [flat[i : i + per_epoch] for i in range(0, len(flat), per_epoch)]


def test_every_row_is_used_once_an_epoch_in_another_order():
    learner, _ = run()
    assert [len(batch) for batch in learner.batches] == [2, 2, 1] * 3
    epochs = epochs_of(learner, 5)
    assert all(sorted(epoch) == [-2, -1, 1, 2, 3] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_order_follows_from_the_seed():
    assert run(seed=1)[0].batches == run(seed=1)[0].batches
    assert run(seed=1)[0].batches != run(seed=2)[0].batches


def test_views_are_drawn_anew_for_each_row_and_epoch():
    train_rows = rows([0, 1, 2, 3, 4, 5, 6, 7], [0, 1] * 4, n_views=3)
    learner, _ = run(TrainingData(train_rows, DATA.val), lr=0.0, epochs=20, batch_size=8)
    epochs = epochs_of(learner, 8)
    assert all(sorted(value % 100 for value in epoch) == list(range(8)) for epoch in epochs)
    drawn = {(value % 100, value // 100) for epoch in epochs for value in epoch}
    assert len(drawn) == 24
    assert all(len({value // 100 for value in epoch}) > 1 for epoch in epochs)


def test_a_batch_has_the_inputs_of_its_rows_where_an_epoch_is_taken_in_several_parts():
    """600 rows of 16 KB as float32 are more than what is taken together."""
    n_rows, width = 600, 4096
    values = np.repeat(np.arange(n_rows, dtype=np.float16)[:, None], width, axis=1)
    train_rows = Rows({"pooled": (values, values + 1000)}, torch.arange(n_rows) % 2, ids(n_rows))
    assert train_rows.row_bytes * n_rows > 2 * _GATHERED_BYTES

    class Wide(LinearLearner):
        def __init__(self):
            super().__init__()
            self.head = LinearHead(HeadSpec("linear", ("fear", "anger"), {"pooled": (width,)}, {}, "faces"))
            nn.init.zeros_(self.head.classifier.weight)
            nn.init.zeros_(self.head.classifier.bias)

        def loss_terms(self, batch):
            assert torch.equal(batch.labels, batch.rows % 2)
            assert (batch.inputs["pooled"] == batch.inputs["pooled"][:, :1]).all()
            return super().loss_terms(batch)

    data = TrainingData(train_rows, Rows({"pooled": (values[:2],)}, torch.tensor([0, 1]), ids(2)))
    learner, _ = run(data, learner=Wide(), lr=0.0, epochs=1, batch_size=70)
    assert [len(batch) for batch in learner.rows] == [70] * 8 + [40]
    found = [value % 1000 for batch in learner.batches for value in batch]
    assert found == [row for batch in learner.rows for row in batch]
    assert sorted(found) == list(range(n_rows))


def test_balanced_epochs_draw_rare_classes_as_often():
    """2 rows against 18: drawn evenly about 200 of 400 come from the rare class; drawn plainly 40 would."""
    data = TrainingData(rows([-1] * 2 + [1] * 18, [0] * 2 + [1] * 18), DATA.val)
    learner, _ = run(data, epochs=20, balanced=True)
    drawn = [value for epoch in epochs_of(learner, 20) for value in epoch]
    assert 150 < drawn.count(-1) < 250


def test_history_has_the_weighted_loss_and_each_term():
    """The first loss of two equal logits is ln 2 = 0.693147, times 1 + 0.5."""
    _, trained = run(epochs=1, batch_size=5)
    record = trained.history[0]
    assert list(record) == ["epoch", "lr", "loss", "loss_ce", "loss_half", "val_accuracy", "val_uar"]
    assert record["loss_ce"] == pytest.approx(0.693147, abs=1e-5)
    assert record["loss"] == pytest.approx(1.039721, abs=1e-5)
    assert record["val_accuracy"] == 1.0


def test_epoch_loss_is_the_mean_over_rows_not_over_batches():
    """Learning rate 0 and bias 0: every row's loss is ln 2 whatever the sizes of the batches, 2, 2 and 1."""
    assert run(epochs=1, lr=0.0)[1].history[0]["loss_ce"] == pytest.approx(0.693147, abs=1e-5)


def test_the_selected_epochs_weights_are_kept():
    """From the second epoch on the learning rate is negative, so the head unlearns what it knew after the first."""
    _, trained = run(lr_factor=lambda epoch: 1.0 if epoch == 0 else -50.0)
    assert [record["val_accuracy"] for record in trained.history] == [1.0, 0.0, 0.0]
    assert trained.selected_epoch == 1
    assert trained.head.predict(DATA.val.plain).argmax(axis=1).tolist() == [0, 1]


def test_the_earliest_of_equal_epochs_is_selected():
    history = [{"val_accuracy": score, "val_uar": -score} for score in (0.5, 0.7, 0.7, 0.6)]
    assert best_epoch(history, "accuracy") == 2
    assert best_epoch(history, "uar") == 1


def test_the_lowest_error_is_the_best_one(monkeypatch):
    error = Metric("error", lambda confusion: 1 - accuracy_score(confusion), "", higher_is_better=False)
    monkeypatch.setitem(METRICS, "error", error)
    assert best_epoch([{"val_error": score} for score in (0.5, 0.3, 0.3, 0.4)], "error") == 2


def test_progress_is_told_after_every_epoch():
    heard = []
    run(on_progress=heard.append)
    assert [(progress.done, progress.total) for progress in heard] == [(1, 3), (2, 3), (3, 3)]
    assert "val accuracy 1.0000" in heard[-1].note


def test_a_loss_that_is_not_finite_stops_with_step_and_terms():
    with pytest.raises(TrainingError, match=r"epoch 1, step 2: expected a finite loss, found loss nan, loss_ce nan"):
        run(lr=float("inf"))


def test_weights_broken_by_the_last_step_stop_before_selection():
    with pytest.raises(TrainingError, match="epoch 1: expected finite validation logits"):
        run(lr=float("inf"), batch_size=5)


def test_exponential_decay_of_three_epochs():
    assert [exponential_decay(0.5)(epoch) for epoch in range(3)] == [1.0, 0.5, 0.25]


def test_warmup_cosine_of_six_epochs():
    """Two epochs of warm-up: 1/3, 2/3. Then (1 + cos(pi * k / 4)) / 2 for k = 0..3: 1, 0.853553, 0.5, 0.146447."""
    factors = [warmup_cosine(6, 2)(epoch) for epoch in range(6)]
    assert factors == pytest.approx([1 / 3, 2 / 3, 1, 0.853553, 0.5, 0.146447], abs=1e-5)


def test_rows_name_their_place_in_the_train_split():
    learner, _ = run()
    values = [-1, -2, 1, 2, 3]
    for batch, places in zip(learner.batches, learner.rows, strict=True):
        assert batch == [values[place] for place in places]


def test_terms_may_be_stepped_one_after_the_other():
    """Bias 0, learning rate 1, one row of class 1 with x = 0: d CE / d bias = (0.5, -0.5).
    Summed with factors 1 and 0.5 the bias is -+0.75. In turn: first -+0.5; then the odds are e^1, the gradient
    +-0.268941, half of it: -+0.634471."""
    data = TrainingData(rows([0, 0], [1, 1]), DATA.val)
    for updates, expected in (((), 0.75), ((("ce",), ("half",)), 0.634471)):
        learner, _ = run(data, lr=1.0, epochs=1, batch_size=2, updates=updates)
        assert learner.head.classifier.bias.tolist() == pytest.approx([-expected, expected], abs=1e-5)


def test_several_outputs_of_a_row_come_from_one_view():
    pooled = rows([0, 1, 2, 3], [0, 1, 0, 1], n_views=3).arrays["pooled"]
    pixels = tuple(view.astype(np.uint8) for view in pooled)
    both = Rows({"pooled": pooled, "pixels": pixels}, torch.zeros(4).long(), ids(4))
    taken = both.take(torch.tensor([3, 0, 3]), torch.tensor([[2], [1], [0]]))
    assert taken["pooled"][:, 0].tolist() == taken["pixels"][:, 0].tolist() == [203, 100, 3]
    assert (taken["pooled"].dtype, taken["pixels"].dtype) == (torch.float32, torch.uint8)


class TwoFactors(LinearLearner):
    """Its factors are its own, and every step adds noise to the features."""

    def __init__(self, half, seed):
        super().__init__()
        self.loss_weights = {"ce": 1.0, "half": half}
        nn.init.normal_(self.head.classifier.weight, generator=torch.Generator().manual_seed(seed))

    def draw(self, n, rng):
        return {"noise": torch.randn(n, 1, generator=rng)}

    def loss_terms(self, batch):
        logits = self.head({"pooled": batch.inputs["pooled"] + batch.noise["noise"]})
        loss = nn.functional.cross_entropy(logits, batch.labels)
        return {"ce": loss, "half": loss.square()}


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_learners_trained_together_are_each_what_it_is_alone(optimizer):
    """Other factors, initial weights, order and noise each; five rows in batches of two leave a last batch of one."""
    options = {"lr_factor": exponential_decay(0.9), "epochs": 4, "batch_size": 2, "select_by": "accuracy"}
    made = [(0.0, 1), (0.5, 2), (3.0, 3)]

    def settings(learner):
        return TrainingSettings(optimizer(learner.parameters(), lr=0.05), **options)

    def generator(seed):
        return torch.Generator().manual_seed(seed)

    learners = [TwoFactors(*pair) for pair in made]
    together = train_ensemble(learners, DATA, settings(learners[0]), [generator(seed) for _, seed in made])
    for (half, seed), found in zip(made, together, strict=True):
        learner = TwoFactors(half, seed)
        alone = train(learner, DATA, settings(learner), generator(seed))
        torch.testing.assert_close(found.head.state_dict(), alone.head.state_dict(), rtol=1e-5, atol=1e-6)
        assert found.history == [pytest.approx(record, rel=1e-5, abs=1e-6) for record in alone.history]
        assert found.selected_epoch == alone.selected_epoch


class Breaks(TwoFactors):
    """Its loss is NaN from a given epoch on; both are numbers of its own, as a stack of learners needs them."""

    def __init__(self, seed, last):
        super().__init__(0.5, seed)
        self.register_buffer("last", torch.tensor(float(last)))

    def loss_terms(self, batch):
        broken = torch.where(batch.epoch > self.last, torch.nan, 1.0)
        return {name: term * broken for name, term in super().loss_terms(batch).items()}


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_one_of_several_that_diverges_leaves_the_others_alone(optimizer):
    """The second of three breaks in epoch 2, the fourth at once."""
    never, made = 99, [(1, 99), (2, 1), (3, 99), (4, 0)]
    options = {"lr_factor": exponential_decay(0.9), "epochs": 3, "batch_size": 2, "select_by": "accuracy"}

    def trained(pairs):
        learners = [Breaks(*pair) for pair in pairs]
        settings = TrainingSettings(optimizer(learners[0].parameters(), lr=0.05), **options)
        heard = []
        rngs = [torch.Generator().manual_seed(seed) for seed, _ in pairs]
        return train_ensemble(learners, DATA, settings, rngs, heard.append), heard

    together, heard = trained(made)
    assert [isinstance(one, TrainingError) for one in together] == [last != never for _, last in made]
    assert "epoch 2, step 1: expected a finite loss, found loss nan, loss_ce nan" in str(together[1])
    assert "epoch 1, step 1" in str(together[3])
    assert [progress.note.split(" heads")[0] for progress in heard] == ["3", "2", "2"]
    for i in (0, 2):
        (alone,), _ = trained([made[i]])
        torch.testing.assert_close(together[i].head.state_dict(), alone.head.state_dict(), rtol=1e-5, atol=1e-6)
        assert together[i].history == [pytest.approx(record, rel=1e-5, abs=1e-6) for record in alone.history]


def test_when_all_diverge_training_ends_there():
    learners = [Breaks(1, 0), Breaks(2, 1)]
    options = {"lr_factor": exponential_decay(1.0), "epochs": 50, "batch_size": 2, "select_by": "accuracy"}
    settings = TrainingSettings(torch.optim.SGD(learners[0].parameters(), lr=0.1), **options)
    heard = []
    found = train_ensemble(learners, DATA, settings, [torch.Generator(), torch.Generator()], heard.append)
    assert all(isinstance(one, TrainingError) for one in found)
    assert len(heard) == 1


def test_the_last_epoch_may_be_taken_whatever_it_scores():
    """The authors' own policy for some numbers; from the second epoch on the head unlearns, as above."""
    _, trained = run(lr_factor=lambda epoch: 1.0 if epoch == 0 else -50.0, select_by="last")
    assert [record["val_accuracy"] for record in trained.history] == [1.0, 0.0, 0.0]
    assert trained.selected_epoch == 3
    assert trained.head.predict(DATA.val.plain).argmax(axis=1).tolist() == [1, 0]
