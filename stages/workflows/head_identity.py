"""What decides which heads a run makes: `train` compares it with what a run folder records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cache import Store
from cache.keys import sha256_of
from pipeline.encoders.file_digest import file_sha256
from pipeline.text_features import TextFeatures
from pipeline.versions import method_version
from stages.workflows.method_code import method_code
from stages.workflows.row_identity import head_rows_digest
from stages.workflows.sweep import RunSpec
from stages.workflows.train_checks import n_views
from stages.workflows.unit_source import StoredUnits

__all__ = ["HeadIdentity"]


@dataclass(frozen=True)
class HeadIdentity:
    """Of the heads of one method on one dataset.

    Parameters
    ----------
    units : that they are trained on
    dataset : the requested name of the store, whose manifest may have another one
    encoder : name of the encoder's folder
    classes : canonical expressions
    text : for methods that need it
    """

    units: StoredUnits
    dataset: str
    encoder: str
    classes: tuple[str, ...]
    text: TextFeatures | None

    @property
    def store(self) -> Store:
        """Whose features they are trained on."""
        return self.units.store

    @cached_property
    def rows(self) -> str:
        """Digest of the train and val units that the heads read: image and box, or frames, and label, in order."""
        return head_rows_digest(self.units, self.classes)

    @property
    def dtype(self) -> str:
        """Of the features on disk."""
        return str(self.store.manifest.key_fields["dtype"])

    def views(self, run: RunSpec) -> int:
        """How many views of a train image the method trains on: 1 is the plain image alone."""
        return n_views(self.units, run)

    def run_key(self, run: RunSpec) -> str:
        """sha256 over everything that makes a head: two runs of one key have the same head on one machine.

        The device is no part of it, nor are library versions: a head of another device is up to date.
        """
        return sha256_of(
            {
                "key": self.store.key,
                "rows": self.rows,
                "classes": list(self.classes),
                "config": _config_identity(run),
                "seed": run.seed,
                "text_key": self.text.key if self.text else "",
                "method": run.config.method,
                **_method_identity(run.config.method),
                **self._soft_labels(run),
                **_fold(run),
            }
        )

    def _soft_labels(self, run: RunSpec) -> dict[str, str]:
        """The digest of the distributions, for heads that learn from them; `rows` has labels alone."""
        return {"distribution": self.store.manifest.columns["distribution"]} if run.config.learns_distributions else {}

    def fields(self, run: RunSpec) -> dict[str, Any]:
        """The fields of run.json that are in the run key, that follow from it, or that name the folder."""
        own = method_code(run.config.method)
        return {
            "method": run.config.method,
            "variant": run.variant,
            "encoder": self.encoder,
            "encoder_identity": dict(self.store.encoder),
            "dataset": self.dataset,
            "seed": run.seed,
            "classes": self.classes,
            "config": run.config.recorded(),
            "key": self.store.key,
            "run_key": self.run_key(run),
            "rows": self.rows,
            "method_version": 1 if own else method_version(run.config.method),
            "is_random": run.config.is_random,
            "views": self.views(run),
            "dtype": self.dtype,
            "text_key": self.text.key if self.text else "",
            "text_encoder": dict(self.text.encoder) if self.text else {},
            "width": self.store.width(),
            **({"unit": self.units.unit} if self.units.unit != "image" else {}),
            **({"method_code": own} if own else {}),
            **_fold(run),
        }


def _config_identity(run: RunSpec) -> dict[str, Any]:
    """The options of a run, with the content of the file `pretrained` in the place of where it is on this machine."""
    config = run.config.recorded("json")
    path = Path(config.get("pretrained") or "")
    return config | ({"pretrained": f"sha256:{file_sha256(path)}"} if path.is_file() else {})


def _fold(run: RunSpec) -> dict[str, Any]:
    """The fold, where there is one: keys and records of the others are as they always were."""
    return {"fold": run.fold.as_json()} if run.fold else {}


def _method_identity(name: str) -> dict[str, Any]:
    """What makes the heads of a method others: its version, or the content of its file."""
    own = method_code(name)
    return {"method_sha256": own["sha256"]} if own else {"method_version": method_version(name)}
