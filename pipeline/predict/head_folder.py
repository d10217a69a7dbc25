"""The files in the folder of a trained head, and how its record and weights are read. No torch."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.learning.spec import MOST_OWN_BYTES, most_weight_bytes
from pipeline.records.export import COPY_AGAIN, Export, OwnExport, read_export
from pipeline.records.files import Advice, read_regular
from pipeline.records.run import OwnRun, Run, read_run, train_again

__all__ = ["EXPORTED", "HISTORY", "RUN", "WEIGHTS", "advice_on", "read_record", "read_weights"]

RUN, EXPORTED, WEIGHTS, HISTORY = "run.json", "head.json", "head.safetensors", "history.csv"


def read_record(folder: Path) -> Run | Export:
    """run.json, or head.json of an exported head.

    Raises
    ------
    InputError
        If there is neither, it is no JSON object, or a field is missing or impossible.
    MismatchError
        If two fields that are of one thing differ.
    """
    if (folder / RUN).exists():
        return read_run(folder / RUN)
    if (folder / EXPORTED).exists():
        return read_export(folder / EXPORTED)
    raise InputError(
        f"no trained run at {folder}: expected {folder / RUN}, or {EXPORTED} of an exported head. Name another folder, "
        "or train a head",
        remedy=[("train", {"method": "METHOD", "dataset": "DATASET"})],
        purpose="first",
    )


def advice_on(record: Run | Export) -> Advice:
    """What to do about a record, or weights, that are damaged."""
    return train_again(record) if isinstance(record, Run) else COPY_AGAIN


def read_weights(folder: Path, record: Run | Export) -> bytes:
    """The bytes of the weights; InputError, with what to do, if they are missing or larger than `record` allows."""
    try:
        limit = MOST_OWN_BYTES if isinstance(record, OwnRun | OwnExport) else most_weight_bytes(record.head.as_json())
        return read_regular(folder / WEIGHTS, limit, advice_on(record))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise advice_on(record).error(f"{folder}: {WEIGHTS} is missing") from error
