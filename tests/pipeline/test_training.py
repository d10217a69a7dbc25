import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.models.linear import LinearHead
from pipeline.models.spec import HeadSpec
from pipeline.training import (
    Learner,
    Recipe,
    Rows,
    TrainingData,
    best_epoch,
    exponential_decay,
    train,
    warmup_cosine,
)


class LinearLearner(Learner):
    """Cross-entropy of a linear head, in two halves, and a record of the rows it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"ce": 1.0, "half": 0.5}
        self.head = LinearHead(HeadSpec("linear", ("fear", "anger"), 1, {}, "faces", "raw"))
        nn.init.zeros_(self.head.classifier.weight)
        nn.init.zeros_(self.head.classifier.bias)
        self.batches: list[list[float]] = []

    def terms(self, features, labels, rng):
        self.batches.append(features[:, 0].tolist())
        loss = nn.functional.cross_entropy(self.head(features), labels)
        return {"ce": loss, "half": loss}


def rows(features, labels, n_views=1):
    values = torch.tensor(features, dtype=torch.float32).reshape(1, -1, 1)
    return Rows(torch.cat([values + 100 * view for view in range(n_views)]), torch.tensor(labels))


DATA = TrainingData(rows([-1, -2, 1, 2, 3], [0, 0, 1, 1, 1]), rows([-1, 1], [0, 1]))


def run(data=DATA, seed=0, lr=0.1, on_progress=lambda progress: None, learner=None, **changes):
    learner = learner or LinearLearner()
    optimizer = torch.optim.SGD(learner.parameters(), lr=lr)
    options = {"lr_factor": exponential_decay(1.0), "epochs": 3, "batch_size": 2, "select_by": "accuracy"} | changes
    trained = train(learner, data, Recipe(optimizer, **options), torch.Generator().manual_seed(seed), on_progress)
    return learner, trained


def epochs_of(learner: LinearLearner, per_epoch: int) -> list[list[float]]:
    flat = [value for batch in learner.batches for value in batch]
    return [flat[i : i + per_epoch] for i in range(0, len(flat), per_epoch)]


def test_every_row_is_used_once_an_epoch_in_another_order():
    learner, _ = run()
    assert [len(batch) for batch in learner.batches] == [2, 2, 1] * 3
    epochs = epochs_of(learner, 5)
    assert all(sorted(epoch) == [-2, -1, 1, 2, 3] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


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
    assert trained.head.predict(DATA.val.features[0].numpy()).argmax(axis=1).tolist() == [0, 1]


def test_the_earliest_of_equal_epochs_is_selected():
    history = [{"val_accuracy": score, "val_uar": -score} for score in (0.5, 0.7, 0.7, 0.6)]
    assert best_epoch(history, "accuracy") == 2
    assert best_epoch(history, "uar") == 1


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
