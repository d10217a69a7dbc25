"""What `evaluate` does: runs and some stores -> scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cache import Store
from cache.atomic import write_bytes
from cache.places import Place
from cache.store import find_store
from pipeline.encoders.torch_encoder import TorchEncoder, resolve_device
from pipeline.errors import PipelineError
from pipeline.evaluation import evaluate
from pipeline.models.head import Head
from pipeline.saved import DEFAULT_HEAD, EXPORTED, RUN, SavedHead
from stages.advice import aligned_advice, encoder_named
from stages.errors import StageError
from stages.made_by import encoder_of
from stages.params import Params

CARRIED = "default"  # as `--run` names the head that fer-stage carries

__all__ = ["Scorer", "runs_below", "write_scores"]


def runs_below(folders: Sequence[Path]) -> list[Path]:
    """The folders of trained heads among `folders` and below them, each once: runs, or else exported heads.

    Parameters
    ----------
    folders : `default`, where no folder has that name, is the head that fer-stage carries

    Raises
    ------
    StageError
        If a folder is no head and there is none below it.
    """
    found: dict[Path, None] = {}
    for named in folders:
        folder = DEFAULT_HEAD if str(named) == CARRIED and not named.exists() else named
        heads = [path.parent for path in sorted(folder.rglob(RUN)) or sorted(folder.rglob(EXPORTED))]
        if not heads:
            raise StageError(
                f"no trained run at {folder}: expected a folder with {RUN}, with {EXPORTED} (an exported head), or "
                f"with such folders below it. `fer-stage train` makes one; --run {CARRIED} is the one that is carried"
            )
        found.update(dict.fromkeys(heads))
    return list(found)


class Scorer:
    """Scores runs on datasets. Stores and encoders that several runs need are opened once.

    Parameters
    ----------
    features : root of the stores
    params : params.yaml
    device : where heads compute, as `--device` has it
    """

    def __init__(self, features: Place, params: Params, device: str) -> None:
        self.features, self.params, self.device = features, params, device
        self._stores: dict[tuple[str, str], Store] = {}
        self._encoders: dict[str, TorchEncoder] = {}

    def score(self, run: SavedHead, datasets: Sequence[str], split: str) -> list[dict[str, Any]]:
        """Scores of a run on every dataset, as plain data.

        Raises
        ------
        StageError, PipelineError
            If the head cannot be built, or a store is not one that it can score; the message names the run.
        """
        if "encoder" not in run.record:
            raise StageError(
                f"{run.folder / RUN}: expected encoder, found none. "
                "It is damaged or of another version of fer-stage: train the run again"
            )
        with encoder_named(run.record["encoder"], _named(run)):
            stores = [self._store(run.record["encoder"], dataset) for dataset in datasets]
        head = self._head(run, stores[0])
        scores = [self._evaluate(run, head, store, split) for store in stores]
        saw = run.record.get("encoder_saw", ())  # runs of before have none
        layouts = [store.manifest.dataset.get("layout") for store in stores]
        return [score | {"encoder_saw": layout in saw} for score, layout in zip(scores, layouts, strict=True)]

    def _store(self, encoder: str, dataset: str) -> Store:
        if (encoder, dataset) not in self._stores:
            self._stores[encoder, dataset] = find_store(self.features, encoder, dataset)
        return self._stores[encoder, dataset]

    def _evaluate(self, run: SavedHead, head: Head, store: Store, split: str) -> dict[str, Any]:
        drop = self.params.protocol.drop_other_labels
        try:
            found = evaluate(head, store, split, drop_other_labels=drop, temperature=run.temperature)
        except PipelineError as error:
            advice = aligned_advice(run.alignment, store.dataset, _named(run)) if error.kind == "mismatch" else ""
            raise StageError(f"{run.folder}: {error}{advice}") from error
        return found.as_json()

    def _head(self, run: SavedHead, store: Store) -> Head:
        """The run's head on the device; one that is a part of its encoder is given the encoder that made `store`."""
        encoder = self._encoder(store, _named(run)) if run.needs_encoder else None
        return run.build(encoder).to(resolve_device(self.device))

    def _encoder(self, store: Store, named: str) -> TorchEncoder:
        if (made := str(store.path)) not in self._encoders:
            self._encoders.clear()  # one encoder in memory at a time
            self._encoders[made] = cast("TorchEncoder", encoder_of(store, self.params, named, self.device))
        return self._encoders[made]


def _named(run: SavedHead) -> str:
    """The encoder of a run as params.yaml or `--encoder` names it; older records have its folder's name only."""
    return str(run.record.get("encoder_named", run.record["encoder"]))


def write_scores(folder: Path, scores: Sequence[Mapping[str, Any]]) -> None:
    """Put `scores` into the run's scores.json; those of other datasets stay as they are.

    An exported head is a finished thing that others have too: nothing is written beside it.

    Raises
    ------
    StageError
        If the file that is there is damaged.
    """
    if not (folder / RUN).is_file():
        return
    path = folder / "scores.json"
    try:
        earlier = json.loads(path.read_bytes()) if path.exists() else []
    except ValueError as error:
        raise StageError(f"{path} is damaged ({error}): delete it and evaluate all datasets again") from error
    by_dataset = {score["dataset"]: score for score in [*earlier, *scores]}  # the later ones win
    write_bytes(path, json.dumps([by_dataset[dataset] for dataset in sorted(by_dataset)], indent=2).encode())
