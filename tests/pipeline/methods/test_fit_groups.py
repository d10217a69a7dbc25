"""Heads of several datasets side by side: each is the head that it would be alone, and torch's threads are restored."""

import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from memory_source import MemorySource, separable_source, text_for
from overfit import OVERFIT
from tiny_encoder import tiny_encoder

from pipeline.errors import TrainingError
from pipeline.learning.method import TrainingInputs
from pipeline.methods import config_class, load_method

SHORT = {  # of every kind of training; mini batches, so that an epoch has steps
    "baseline": {"epochs": 2, "batch_size": 4},
    "coop": {"epochs": 2, "batch_size": 4},
    "cliper": {"epochs": 2, "batch_size": 4},
    "feature-mask": {"epochs": 3, "batch_size": 4},
    "kefer": {"epochs": 2, "batch_size": 4},
    "linear-probe": {},
}


def options(name, **changes):
    return config_class(name)(**(OVERFIT[name] | SHORT[name] | changes))


def inputs_of(source):
    return TrainingInputs(source, source.classes, text_for(source.classes), tiny_encoder())


def groups_of(name, sizes=(16, 14, 21), seeds=(0, 1)):
    sources = [replace(separable_source(n=n), dataset=f"faces-{n}") for n in sizes]
    return [(inputs_of(source), [(options(name), seed) for seed in seeds]) for source in sources]


def states(method, groups, n_threads=None):
    """(group, run) -> bytes of the head, and the history."""
    return {
        (g, i): (
            {key: value.numpy().tobytes() for key, value in result.head.state_dict().items()},
            result.history,
            result.calibration,
        )
        for g, i, result in method.fit_groups(groups, n_threads=n_threads)
    }


@pytest.mark.parametrize("name", SHORT)
def test_a_head_is_the_same_whatever_is_trained_beside_it(name):
    method, groups = load_method(name), groups_of(name)
    expected = {}
    for g, group in enumerate(groups):
        expected |= {(g, i): state for (_, i), state in states(method, [group], n_threads=1).items()}
    assert states(method, groups, n_threads=1) == expected
    assert states(method, groups, n_threads=3) == expected
    assert states(method, groups[::-1], n_threads=2) == {(2 - g, i): state for (g, i), state in expected.items()}


@dataclass
class WatchedSource(MemorySource):
    """Gives copies, and knows which of them are still in memory."""

    alive: list = field(default_factory=list)

    def features(self, split, output="pooled", view=0):
        array = super().features(split, output, view).copy()
        self.alive.append(weakref.ref(array))
        return array

    @property
    def n_alive(self):
        return sum(reference() is not None for reference in self.alive)


@pytest.mark.parametrize("name", ["feature-mask", "linear-probe", "baseline"])
def test_features_of_a_group_are_read_once_and_released_with_its_last_head(name):
    sources = [WatchedSource(**vars(separable_source())) for _ in range(3)]
    groups = [(inputs_of(source), [(options(name), seed) for seed in range(3)]) for source in sources]
    left = dict.fromkeys(range(3), 3)
    for g, _, _ in load_method(name).fit_groups(groups, n_threads=1):
        left[g] -= 1
        assert all(sources[other].n_alive == 0 for other, n in left.items() if not n)
    assert all(sorted({*source.reads}) == sorted(source.reads) for source in sources)


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2


class Recorder:
    """Where progress is reported from, and how many threads torch has there."""

    def __init__(self):
        self.seen = set()

    def __call__(self, progress):
        self.seen.add((threading.current_thread() is threading.main_thread(), torch.get_num_threads()))


@pytest.mark.usefixtures("two_threads")
def test_light_heads_are_side_by_side_with_a_thread_each():
    heard = Recorder()
    for _ in load_method("feature-mask").fit_groups(groups_of("feature-mask"), heard):
        assert torch.get_num_threads() == 1
    assert heard.seen == {(False, 1)}


@pytest.mark.usefixtures("two_threads")
def test_a_large_head_has_all_threads_and_none_beside_it(monkeypatch):
    monkeypatch.setattr("pipeline.learning.options.LARGE_NETWORK", 1)
    heard = Recorder()
    results = list(load_method("coop").fit_groups(groups_of("coop", seeds=(0,)), heard, n_threads=2))
    assert [g for g, _, _ in results] == [0, 1, 2]
    assert heard.seen == {(True, 2)}


@pytest.mark.parametrize(
    ("name", "changes", "encoder_parameters", "large"),
    [
        ("feature-mask", {}, 0, False),
        ("linear-probe", {}, 0, False),
        ("baseline", {}, 0, True),
        ("baseline", {"backbone": "small"}, 0, False),
        ("scn", {}, 0, True),
        ("cafe", {}, 0, True),
        ("cafe", {"backbone": "small"}, 0, False),
        ("kefer", {}, 88_000_000, False),
        ("kefer", {"backbone": "resnet18"}, 0, True),
        ("kefer", {"backbone": "encoder"}, 88_000_000, True),
        ("kefer", {"backbone": "encoder"}, 3_000_000, False),
        ("metd", {}, 3_000_000, False),
        ("metd", {}, 88_000_000, True),
        ("coop", {}, 88_000_000, True),
        ("fine-tune", {}, 88_000_000, True),
    ],
)
def test_what_counts_as_large(name, changes, encoder_parameters, large):
    assert config_class(name)(**changes).is_large(encoder_parameters) == large


@pytest.mark.usefixtures("two_threads")
def test_threads_are_restored_after_an_error_and_when_nobody_listens():
    method = load_method("feature-mask")
    next(method.fit_groups(groups_of("feature-mask")))
    assert torch.get_num_threads() == 2
    with pytest.raises(TrainingError):
        list(method.fit_groups([(inputs_of(separable_source()), [(options("feature-mask", lr=1e38), 0)])]))


def test_a_head_in_the_midst_of_an_epoch_is_ended_with_the_call():
    """The second group's first epoch has a step for each of 200,000 rows: minutes."""
    short = separable_source()
    (pooled, labels), val = short.splits["train"], short.splits["val"]
    train = np.tile(pooled, (1, 12_500, 1)), np.tile(labels, 12_500)
    long = replace(short, splits={"train": train, "val": val}, others={})
    runs = [(options("feature-mask", batch_size=1), 0)]
    results = load_method("feature-mask").fit_groups([(inputs_of(short), runs), (inputs_of(long), runs)], n_threads=2)
    assert next(results)[0] == 0
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 30


def finished_and_error(method, groups):
    finished = []
    with pytest.raises(TrainingError) as raised:
        finished.extend((g, i) for g, i, _ in method.fit_groups(groups, n_threads=2))
    return sorted(finished), raised.value


def test_a_group_that_cannot_be_read_leaves_the_others_and_its_error_is_raised():
    groups = groups_of("feature-mask")
    groups[1][0].source.splits["train"][0][0, 3] = 0
    finished, error = finished_and_error(load_method("feature-mask"), groups)
    assert finished == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert str(error).startswith("faces-14 train: expected finite pooled features with a direction")
    assert error.remedy[-1] == ("extract", {"dataset": "faces-14", "dtype": "float32"})


def test_every_head_that_cannot_be_trained_is_named_with_its_dataset():
    groups = groups_of("feature-mask", sizes=(16, 14, 21), seeds=(0,))
    groups[0][0].source.splits["train"][0][0, 3] = 0
    groups[2][1].append((options("feature-mask", lr=1e38), 5))
    finished, error = finished_and_error(load_method("feature-mask"), groups)
    assert finished == [(1, 0), (2, 0)]
    lines = str(error).splitlines()
    assert lines[0] == "2 heads could not be trained"
    assert lines[1].startswith("feature-mask, faces-16 train: expected finite pooled features")
    assert lines[2].startswith("feature-mask, faces-21, lr=1e+38, seed 5: epoch ")


CORES = """
import os, torch
from pipeline.learning.concurrency import concurrently, torch_threads

def task(on_progress):
    before = len(os.listdir("/proc/self/task"))
    torch.ones(600, 600) @ torch.ones(600, 600)
    return len(os.listdir("/proc/self/task")) - before

torch.set_num_threads(2)
with torch_threads(1):
    assert list(concurrently([task], print, 2)) == [0]
assert torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_a_product_of_matrices_in_a_new_thread_starts_no_others():
    """MKL alone would use all cores: the number of threads that this process has was not passed on."""
    program = [sys.executable, "-c", "import os; os.environ['OMP_NUM_THREADS'] = '2'\n" + CORES]
    subprocess.run(program, check=True, timeout=120)
