import pytest
import torch
from image_batches import image_batch, image_head
from memory_source import separable_source

from pipeline.learning.method import TrainingInputs
from pipeline.methods import load_method
from pipeline.methods.noisy.heads import ImportanceHead
from pipeline.methods.noisy.options import ScnConfig
from pipeline.methods.noisy.train import ScnLearner

LABELS = [0, 1, 2, 0]
STILL = {"flip_or_noise": 0.0, "erase": 0.0}


class SettledHead(ImportanceHead):
    """Whatever the image, logits (2, 0, 0), (0, 2, 0), (0, 2, 0), (0, 0, 2) of rows 0 to 3, and importances
    .9, .8, .2, .1. Softmax of (2, 0, 0) is (.787, .107, .107): the best leads any other by .680."""

    def logits_and_importance(self, embedded):
        logits = 2.0 * torch.eye(3)[[0, 1, 1, 2]]
        return logits[: len(embedded)], torch.tensor([0.9, 0.8, 0.2, 0.1])[: len(embedded)]


def learner(head_class=ImportanceHead, labels=LABELS, **options):
    return ScnLearner(image_head(head_class), torch.tensor(labels), ScnConfig(**STILL | options))


def settled(epoch=10, high_share=0.5, **options):
    """After one step in `epoch`: predictions 0, 1, 1, 2 of rows labelled 0, 1, 2, 0; half of the rows are high."""
    made = learner(SettledHead, high_share=high_share, **options)
    made.loss_terms(image_batch(made, LABELS, epoch=epoch))
    return made


def test_factors_are_the_papers_or_those_asked_for():
    assert learner().loss_weights == {"wce": 0.5, "rr": 0.5}
    assert learner(lambda_wce=1.0, lambda_rr=2.0).loss_weights == {"wce": 1.0, "rr": 2.0}


def test_the_two_terms_of_settled_rows():
    """wce: rows 0 and 1 are right, 2 and 3 wrong: ln(e^2 + 2) - 2 = 0.239542 and ln(e^2 + 2) = 2.239542, mean 1.239542.
    rr: (.9 + .8) / 2 - (.2 + .1) / 2 = .7 against the margin .75: .05."""
    made = learner(SettledHead, high_share=0.5, margin_rank=0.75)
    found = made.loss_terms(image_batch(made, LABELS))
    assert found["wce"].item() == pytest.approx(1.239542, abs=1e-5)
    assert found["rr"].item() == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("term", ["wce", "rr"])
def test_importance_is_learnt_from_both_terms(term):
    made = learner(margin_rank=1.0)
    made.loss_terms(image_batch(made, LABELS))[term].backward()
    assert made.head.importance.weight.grad.any()


class TestRelabelling:
    def test_of_the_low_group_where_the_network_is_surer(self):
        assert settled().labels.tolist() == [0, 1, 1, 2]

    def test_spares_rows_of_high_importance_unless_all_are_asked_for(self):
        """A share of .75 makes row 2 a high one."""
        assert settled(high_share=0.75).labels.tolist() == [0, 1, 2, 2]
        assert settled(high_share=0.75, relabel="all").labels.tolist() == [0, 1, 1, 2]

    def test_needs_a_lead_above_the_margin(self):
        """.787 - .107 = .680."""
        assert settled(margin_relabel=0.67).labels.tolist() == [0, 1, 1, 2]
        assert settled(margin_relabel=0.69).labels.tolist() == LABELS

    def test_begins_with_its_epoch(self):
        assert settled(epoch=9).labels.tolist() == LABELS
        assert settled(epoch=2, relabel_from=2).labels.tolist() == [0, 1, 1, 2]

    def test_can_be_switched_off(self):
        assert settled(relabel="none").labels.tolist() == LABELS

    def test_counts_from_the_next_step_on(self):
        """The step that relabels learns the old labels; the next one has nothing wrong left: 0.239542."""
        made = learner(SettledHead, high_share=0.5)
        batch = image_batch(made, LABELS, epoch=10)
        assert made.loss_terms(batch)["wce"].item() == pytest.approx(1.239542, abs=1e-5)
        assert made.loss_terms(batch)["wce"].item() == pytest.approx(0.239542, abs=1e-5)

    def test_goes_to_the_rows_of_the_batch_wherever_they_stand(self):
        made = learner(SettledHead, labels=[2, 2, 0, 1, 0, 2], high_share=0.5)
        made.loss_terms(image_batch(made, LABELS, rows=[4, 3, 1, 2], epoch=10))
        assert made.labels.tolist() == [2, 1, 2, 1, 0, 2]

    def test_of_a_row_drawn_twice_is_not_undone_by_the_copy_that_is_believed(self):
        """As `balanced` draws. Row 2, labelled 2, is the batch's third and fourth: predicted 1 and 2."""
        made = learner(SettledHead, labels=[0, 1, 2], high_share=0.5)
        made.loss_terms(image_batch(made, [0, 1, 2, 2], rows=[0, 1, 2, 2], epoch=10))
        assert made.labels.tolist() == [0, 1, 1]

    def test_leaves_an_earlier_new_label_where_nothing_is_doubted_now(self):
        """Row 0 is of high importance and was given class 0; an earlier step made it 2."""
        made = learner(SettledHead, high_share=0.5)
        made.labels[0] = 2
        made.loss_terms(image_batch(made, LABELS, epoch=10))
        assert made.labels.tolist() == [2, 1, 1, 2]

    def test_is_told_in_the_findings(self):
        expected = {"rows": 2, "of": 4, "changes": {"disgust to fear": 1, "surprise to disgust": 1}}
        assert settled().diagnostics() == {"relabelled": expected}

    def test_is_no_part_of_the_head(self):
        assert not {"labels", "given"} & set(settled().head.state_dict())

    def test_never_writes_into_the_dataset(self):
        """A network that learns nothing (lr 1e-12) doubts most labels; the given ones stay."""
        source = separable_source()
        before = source.labels("train").copy()
        config = ScnConfig(backbone="small", epochs=1, lr=1e-12, relabel="all", relabel_from=1, margin_relabel=0.0)
        fitted = load_method("scn").fit(TrainingInputs(source, source.classes), config, 0)
        assert fitted.diagnostics["relabelled"]["rows"] > len(before) / 2
        assert (source.labels("train") == before).all()
        assert (source.splits["train"][1] == before).all()


def test_labels_of_the_batch_are_those_of_the_table():
    """Not those of the dataset, which a relabelling has left behind."""
    made = learner(SettledHead)
    made.labels[:] = torch.tensor([0, 1, 1, 2])
    assert made.loss_terms(image_batch(made, LABELS))["wce"].item() == pytest.approx(0.239542, abs=1e-5)
