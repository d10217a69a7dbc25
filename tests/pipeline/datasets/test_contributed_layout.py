"""The layout that CONTRIBUTING adds: its very lines, under the named checks of every layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import test_layout_contract
import trees.tree
from test_layout_contract import cached  # noqa: F401  a fixture
from trees import TREES, Tree

from pipeline.datasets.layouts import LAYOUTS

PAGE = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
SECTION = PAGE.split("\n## A new layout\n")[1].split("\n## ")[0]
MODULE, TREE = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[Tree]:
    module = ModuleType("pipeline.datasets.layouts.rafd")
    exec(MODULE, vars(module))
    names: dict[str, Any] = dict(vars(trees.tree))
    exec(TREE, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LAYOUTS, module.Rafd.name, module.Rafd())
        patch.setitem(TREES, "rafd", names["rafd"]())
        yield TREES["rafd"]


@pytest.fixture
def tree(added: Tree) -> Tree:
    return added


def test_the_example_is_short_and_its_entry_is_the_one_of_the_page() -> None:
    assert len(MODULE.splitlines()) < 40
    assert 'its entry in the registry is `"rafd": "rafd.Rafd"`' in " ".join(SECTION.split())


class TestEveryForm(test_layout_contract.TestEveryForm):
    test_every_unknown_label_is_named_with_its_count = None  # of the trees that are always there; below of this one


class TestEveryTree(test_layout_contract.TestEveryTree):
    test_images_that_are_all_missing_are_an_error = None  # this tree has no list


def test_an_unknown_label_is_named_with_its_count(tree: Tree, tmp_path: Path) -> None:
    check = test_layout_contract.TestEveryForm.test_every_unknown_label_is_named_with_its_count
    check(test_layout_contract.TestEveryForm(), tree, "folder", tmp_path)
