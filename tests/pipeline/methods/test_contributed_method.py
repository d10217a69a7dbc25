"""The method that CONTRIBUTING adds: its very lines, in the modules that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from memory_source import separable_source
from torch import Tensor, nn
from torch.nn import functional

from pipeline.learning.head import HEADS, Head, Inputs
from pipeline.learning.layers import empty_linear, reset_linear
from pipeline.learning.learner import Batch, Learner, TrainingSettings
from pipeline.learning.method import Method, TrainingInputs
from pipeline.learning.optimizers import adam_settings
from pipeline.learning.spec import HeadSpec
from pipeline.learning.task import TrainingTask, train_by_loop
from pipeline.methods import METHODS, config_class, load_method
from pipeline.methods.mask import options
from pipeline.methods.packing import head_class, pack, unpack

NAME, MODULE = "sparse-mask", "mask.sparse_mask"
PAGE = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
SECTION = PAGE.split("\n## A new method\n")[1].split("\n## ")[0]
OPTIONS, REST = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
IMPORTS = (
    *(torch, Tensor, nn, functional, Head, Inputs, HeadSpec, empty_linear, reset_linear, Batch, Learner),
    *(TrainingSettings, Method, adam_settings, TrainingTask, train_by_loop),
)
NAMES = (
    *("torch", "Tensor", "nn", "functional", "Head", "Inputs", "HeadSpec", "empty_linear", "reset_linear", "Batch"),
    *("Learner", "TrainingSettings", "Method", "adam_settings", "TrainingTask", "train_by_loop"),
)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType(f"pipeline.methods.{MODULE}")
    of_options = dict(vars(options))
    exec(OPTIONS, of_options)
    monkeypatch.setattr(options, "SparseMaskConfig", of_options["SparseMaskConfig"], raising=False)
    vars(module).update(zip(NAMES, IMPORTS, strict=True), SparseMaskConfig=options.SparseMaskConfig)
    exec(REST, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METHODS, NAME, MODULE)
    yield
    del HEADS[NAME]


def test_the_registry_line_is_the_one_of_the_page() -> None:
    assert f'`"{NAME}": "{MODULE}"`' in PAGE


def test_it_trains_and_its_head_is_saved() -> None:
    source = separable_source()
    inputs = TrainingInputs(source, source.classes)
    result = load_method(NAME).fit(inputs, config_class(NAME)(epochs=40, lr=0.01), seed=0)
    assert result.val.accuracy == 1.0
    assert {"loss_cls", "loss_sparse"} <= result.history[0].keys()
    rows = {"pooled": source.features("val")}
    np.testing.assert_array_equal(unpack(*pack(result.head)).predict(rows), result.head.predict(rows))
    assert head_class(NAME) is type(result.head)


def test_its_loss_closes_channels() -> None:
    source = separable_source()
    inputs = TrainingInputs(source, source.classes)
    common = {"epochs": 60, "lr": 0.1, "select_by": "last"}
    opened = [
        load_method(NAME).fit(inputs, config_class(NAME)(**common, lambda_sparse=weight), seed=0).head.mask.sigmoid()
        for weight in (0.0, 100.0)
    ]
    assert opened[1].mean() < opened[0].mean() / 2


def test_the_page_names_files_that_exist() -> None:
    root = Path(__file__).parents[3]
    names = re.findall(r"`((?:pipeline|tests)/[\w/.]+)`", PAGE)
    assert len(names) > 5
    for name in names:
        path = root / name.replace("FAMILY", "mask").replace("METHOD/DATASET", "cafe/raf-db")
        examples = ("/sparse_mask.py", "/rafd.py")
        assert path.exists() or "NAME" in name or name.endswith(examples), name
