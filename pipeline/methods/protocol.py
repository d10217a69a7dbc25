"""What a method is given, and what it gives back. Everything is checked here once; methods trust what they get."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from pipeline.errors import ConfigError, TrainingError
from pipeline.evaluation import rows_of_classes
from pipeline.labels import label_codes
from pipeline.methods.configs import MethodConfig
from pipeline.metrics import Scores, score
from pipeline.models.head import Head
from pipeline.models.spec import HeadSpec
from pipeline.progress import OnProgress, silent
from pipeline.training import History, Rows, Trained, TrainingData

if TYPE_CHECKING:
    from pipeline.features import FeatureSource
    from pipeline.models.spec import ScaleKind
    from pipeline.text_features import TextFeatures

__all__ = ["Fitted", "Method", "Setup"]

C = TypeVar("C", bound=MethodConfig)


@dataclass(frozen=True)
class Fitted:
    """One trained head, and how it came about.

    Parameters
    ----------
    head : with the weights of `selected_epoch`
    history : one record per epoch (or step of a search), every value a float
    selected_epoch : counted from 1
    seconds : of training, without reading the features
    val : scores on the validation split, whose best epoch this is: optimistic by construction
    dropped : label -> train and val rows left out because it is not among the classes
    """

    head: Head
    history: History
    selected_epoch: int
    seconds: float
    val: Scores
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Setup:
    """All that a method may use: two splits in RAM, the text for its classes, and the one source of randomness."""

    data: TrainingData
    classes: tuple[str, ...]
    encoder: Mapping[str, Any]
    dataset: str
    text: TextFeatures | None
    rng: torch.Generator
    on_progress: OnProgress

    @property
    def width(self) -> int:
        """D of the features."""
        return int(self.data.train.features.shape[-1])

    def spec(self, kind: str, scale: ScaleKind, options: Mapping[str, Any]) -> HeadSpec:
        """The spec of a head for this setup."""
        return HeadSpec(kind, self.classes, self.width, self.encoder, self.dataset, scale, options)

    def start(self, head: Head) -> None:
        """Draw the head's first weights and fit its feature scale to the train split, all views."""
        head.reset(self.rng)
        head.scale.fit(self.data.train.features.flatten(0, 1))


@dataclass(frozen=True)
class Method(Generic[C]):
    """A way to train a head: its options, and the function that trains from a checked Setup."""

    config_class: type[C]
    learn: Callable[[Setup, C], Trained]

    @property
    def name(self) -> str:
        """What params.yaml and the command line call it."""
        return self.config_class.method

    @property
    def needs_text(self) -> bool:
        """Whether `fit` must be given text features."""
        return self.config_class.needs_text

    def fit(
        self,
        source: FeatureSource,
        config: C,
        classes: tuple[str, ...],
        seed: int,
        text: TextFeatures | None = None,
        on_progress: OnProgress = silent,
        *,
        drop_other_labels: bool = False,
    ) -> Fitted:
        """Train a head on the train split of `source`, select it on the val split, and read no other split.

        Parameters
        ----------
        source : FeatureSource
            Its views are read to RAM once, as float32.
        config : the method's own options
        classes : C canonical expressions; the train split may lack some
        seed : int >= 0; one seed gives one head on one machine
        text : TextFeatures, for methods that need them
        on_progress : called after every epoch
        drop_other_labels : leave rows out whose label is not among `classes`, and count them

        Raises
        ------
        ConfigError
            If config, classes or text do not suit the method.
        MismatchError
            If a split holds other labels, or the text lacks a class.
        TrainingError
            If a split has no rows, train has one class only, or numbers stop being finite.
        """
        self._check(config, classes, text)
        train, dropped = _read(source, "train", classes, drop=drop_other_labels, n_views=source.n_views())
        val, dropped_val = _read(source, "val", classes, drop=drop_other_labels)
        if len(torch.unique(train.labels)) < 2:
            raise TrainingError(
                f"{source.dataset} train: expected rows of two classes, found {classes[int(train.labels[0])]} only. "
                "Look at the splits with: fer-stage index"
            )
        setup = Setup(
            data=TrainingData(train, val),
            classes=classes,
            encoder=source.encoder,
            dataset=source.dataset,
            text=text.for_classes(classes) if text and self.needs_text else None,
            rng=torch.Generator().manual_seed(seed),
            on_progress=on_progress,
        )
        started = time.perf_counter()
        trained = self.learn(setup, config)
        seconds = time.perf_counter() - started
        val_labels = np.array(classes)[val.labels.numpy()]
        scores = score(trained.head.predict(val.features[0].numpy()), val_labels, classes)
        dropped = {name: dropped.get(name, 0) + dropped_val.get(name, 0) for name in sorted({*dropped, *dropped_val})}
        return Fitted(trained.head, trained.history, trained.selected_epoch, seconds, scores, dropped)

    def _check(self, config: C, classes: tuple[str, ...], text: TextFeatures | None) -> None:
        if not isinstance(config, self.config_class):
            found = type(config).__name__
            raise ConfigError(f"{self.name}: expected options of {self.config_class.__name__}, found {found}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ConfigError(
                f"{self.name}: expected two or more different classes, found {', '.join(classes) or 'none'}"
            )
        if self.needs_text and text is None:
            raise ConfigError(f"{self.name}: expected text features, found none. Run: fer-stage encode-text")


def _read(
    source: FeatureSource, split: str, classes: tuple[str, ...], *, drop: bool, n_views: int = 1
) -> tuple[Rows, dict[str, int]]:
    where = f"{source.dataset} {split}"
    labels = source.labels(split)
    rows, dropped = rows_of_classes(labels, classes, where, drop=drop)
    if not len(rows):
        raise TrainingError(
            f"{where}: expected rows to {'learn from' if split == 'train' else 'select the epoch on'}, found none. "
            f"Give the dataset a {split} split (its layout's options can set one apart) and index it again"
        )
    features = torch.empty(n_views, len(rows), source.width())
    for view in range(n_views):
        features[view] = torch.tensor(source.features(split, view=view)[rows])
    if not (finite := torch.isfinite(features).all(dim=2).all(dim=0)).all():
        bad = source.ids(split)[rows][~finite.numpy()]
        raise TrainingError(
            f"{where}: expected finite features, found NaN or infinity in {len(bad)} rows, first {bad[0]}. "
            "Check the store with: fer-stage store verify"
        )
    return Rows(features, torch.tensor(label_codes(labels[rows].tolist(), classes))), dropped
