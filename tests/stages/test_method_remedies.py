"""What methods and tables advise, as commands: each is one that the program has, with options that it knows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import PipelineError
from pipeline.faces.table import FaceTable
from pipeline.learning.options import LoopConfig
from pipeline.learning.split_loader import SplitLoader
from pipeline.tables.samples import SampleTable
from stages.remedies import as_commands


class Source:
    """Two train rows and one val row of a dataset whose name needs quotes."""

    dataset = "it's"

    def __init__(self, labels: list[str], value: float) -> None:
        self.rows = {"train": labels, "val": labels[:1]}
        self.value = value

    def row_shape(self, output: str = "pooled") -> tuple[int, ...]:
        return (3,)

    def labels(self, split: str) -> npt.NDArray[np.str_]:
        return np.array(self.rows[split])

    def ids(self, split: str) -> npt.NDArray[np.str_]:
        return np.array([f"{split}-{i}" for i in range(len(self.rows[split]))])

    def features(self, split: str, output: str = "pooled", view: int = 0) -> npt.NDArray[Any]:
        return np.full((len(self.rows[split]), 3), self.value, np.float16)

    def n_views(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("labels", "value", "commands"),
    [
        (["fear", "fear"], 1.0, ['index --dataset "it\'s" --dry-run']),
        (["fear", "anger"], 0.0, ["store verify features", 'extract --dataset "it\'s" --dtype float32']),
    ],
    ids=["one class", "zero features"],
)
def test_rows_that_cannot_be_learnt_from_name_commands(labels: list[str], value: float, commands: list[str]) -> None:
    loader = SplitLoader(Source(labels, value), ("fear", "anger"), drop=False)  # type: ignore[arg-type]  # all it reads
    with pytest.raises(PipelineError) as error:
        loader.load(LoopConfig())
    assert _commands(as_commands(error.value)) == [shlex.split(command) for command in commands]


@pytest.mark.parametrize(
    ("read", "command", "option", "usual"),
    [(SampleTable.read, "index", "--tables", "tables"), (FaceTable.read, "align", "--face-tables", "faces")],
)
def test_a_table_that_is_missing_names_the_command_that_makes_it(
    read: Any, command: str, option: str, usual: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, options in ((usual, []), ("my tables", [option, "my tables"])):
        with pytest.raises(PipelineError, match=r"^no \w+ table at ") as error:
            read(Path(folder, "faces.parquet"))
        assert _commands(as_commands(error.value)) == [[command, "--dataset", "faces", *options]]


def _commands(message: str) -> list[list[str]]:
    return [shlex.split(part)[1:] for part in message.split("`") if part.startswith("fer-stage ")]
