"""What the estimators share: a method as scikit-learn has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.learning.array_source import ArraySource, LabelledRows
from pipeline.learning.options import CLIP_OPTIONS, MethodConfig
from pipeline.learning.probabilities import softmax
from stages.estimators.inputs import named_encoder, text_features
from stages.estimators.rows import head_classes, held_back_rows, label_names, require_directions, seed_of
from stages.params.problems import explain

if TYPE_CHECKING:
    from pipeline.learning.method import FitResult

__all__ = ["HeadClassifier", "option_defaults"]


class HeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators share: each has the options of its method, with their names and defaults, and those below.

    A head is selected, and calibrated, on a validation part, which it does not learn from: `X_val` and `y_val` of
    `fit` if they are given, else `validation_fraction` of the rows of each class. That part is drawn without knowledge
    of subjects or clips: where a person has several rows, pass a validation part of other people.

    The same rows, options and seed (`random_state`) give the head of `fer-stage train`, if `y` has all of its classes.

    Parameters
    ----------
    validation_fraction : in (0, 1)
        Share of each class that is held back, one row at the least; a class with one row is learned from alone.
    random_state : int, RandomState or None
        An int is the seed of `fer-stage train`.
    device : str
        Where heads are trained: `cpu`, `cuda`, `cuda:1`.
    text : path, TextFeatures or mapping, of methods that need text
        A file that `fer-stage encode-text` wrote, or label -> vector, shape (T,). X has to be features of the model of
        the text wherever the method compares both as they are; of arrays only the width can be checked.
    encoder : str, of methods that learn prompts
        What made X: `mini`, `open_clip:ARCH/TAG`, or another one with a text tower.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
        The labels of y, sorted.
    n_features_in_ : int
        D.
    head_ : pipeline.learning.head.Head
    temperature_ : float
        Divides the logits in `predict_proba`; fitted on the validation part.
    history_ : list of dict
        A record per epoch, or per step of a search.
    selected_epoch_ : int
        Counted from 1.
    validation_scores_ : dict
        By metric, of the selected epoch: optimistic, since it was selected on them.
    """

    method: ClassVar[str]
    config_class: ClassVar[type[MethodConfig]]

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Self:
        """Train the head.

        Parameters
        ----------
        X : float, shape (N, D)
            Features as they were encoded: the head scales them itself. Taken as float32.
        y : shape (N,)
            Labels of any kind, of two or more classes.
        X_val, y_val : the validation part, if it is not to be drawn from X

        Raises
        ------
        ValueError
            If an option, a feature or a label cannot be used.
        PipelineError
            If the training fails: numbers that stop being finite, text of other classes or width.
        """
        self.__dict__.pop("head_", None)  # a fit that fails leaves no head of other classes
        X, y = validate_data(self, X, y, dtype=np.float32)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected labels of 2 classes or more, found 1 class: {self.classes_[0]!r}")
        seed = seed_of(self.random_state)
        result = self._trained(self._splits(X, codes, X_val, y_val, seed), seed)
        self.head_, self.temperature_ = result.head, result.calibration.temperature
        self.history_, self.selected_epoch_ = result.history, result.selected_epoch
        self.validation_scores_ = result.val.by_metric()
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float32]:
        """Logits before calibration, shape (N, C); of two classes the second's less the first's, shape (N,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Calibrated probabilities in the order of `classes_`, shape (N, C)."""
        return softmax(self._logits(X), self.temperature_)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each row, shape (N,)."""
        logits = self._logits(X)
        labels: npt.NDArray[Any] = self.classes_[logits.argmax(axis=1)]
        return labels

    def _logits(self, X: Any) -> npt.NDArray[np.float32]:
        check_is_fitted(self, "head_")
        X = validate_data(self, X, dtype=np.float32, reset=False)
        order = [self.head_.spec.classes.index(name) for name in label_names(self.classes_)]
        logits: npt.NDArray[np.float32] = self.head_.predict({"pooled": X})[:, order]
        return logits

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: of a head its values and its description, as `train` writes them, and no encoder."""
        state: dict[str, Any] = super().__getstate__()
        if "head_" in state:
            from pipeline.methods.packing import pack  # late, as below: they bring torch

            state = state | {"head_": pack(state["head_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "head_" in state:
            from pipeline.methods.packing import head_class, unpack

            values, description = state["head_"]
            needs_encoder = head_class(description["kind"]).needs_encoder
            self.head_ = unpack(
                values, description, named_encoder(self.encoder, "cpu", self.n_features_in_) if needs_encoder else None
            )

    def _trained(self, splits: Mapping[str, LabelledRows], seed: int) -> FitResult:
        from pipeline.learning.method import TrainingInputs  # late, as below: they bring torch
        from pipeline.methods import load_method

        config, classes = self._config(), head_classes(self.classes_)
        text = text_features(self.text) if config.needs_text else None
        encoder = named_encoder(self.encoder, self.device, self.n_features_in_) if config.needs_encoder else None
        identity = encoder.identity if encoder else text.encoder if text else {"family": "arrays"}
        source = ArraySource(splits, classes, {"encoder": identity})
        inputs = TrainingInputs(source, classes, text, encoder, self.device)
        return load_method(self.method).fit(inputs, config, seed)

    def _config(self) -> MethodConfig:
        options = {name: _plain(getattr(self, name)) for name in option_defaults(self.config_class)}
        try:
            config = self.config_class(**options)
        except ValidationError as error:
            raise ValueError(explain(error, self.config_class, type(self).__name__)) from None
        if config.reads != ("pooled",):
            reads = ", ".join(config.reads)
            raise ValueError(
                f"{type(self).__name__}: expected options of a method on one feature, found ones that read {reads}"
            )
        if config.learns_distributions:
            raise ValueError(
                f"{type(self).__name__}: expected targets 'labels', found 'distribution': y has labels alone"
            )
        return config

    def _splits(
        self, X: npt.NDArray[np.float32], codes: npt.NDArray[np.intp], X_val: Any, y_val: Any, seed: int
    ) -> dict[str, LabelledRows]:
        names = np.array(label_names(self.classes_), dtype=np.str_)
        ids = np.array([f"row {i} of X" for i in range(len(X))], dtype=np.str_)
        if (X_val is None) != (y_val is None):
            raise ValueError("fit: expected X_val and y_val, or neither, found one of them")
        if X_val is None:
            held_back = held_back_rows(codes, self.validation_fraction, seed)
            train, val = (LabelledRows(X[rows], names[codes[rows]], ids[rows]) for rows in (~held_back, held_back))
        else:
            train, val = LabelledRows(X, names[codes], ids), self._validation_rows(X_val, y_val)
        require_directions(train)
        require_directions(val)
        return {"train": train, "val": val}

    def _validation_rows(self, X_val: Any, y_val: Any) -> LabelledRows:
        X_val, y_val = validate_data(self, X_val, y_val, dtype=np.float32, reset=False)
        y_val = column_or_1d(y_val, warn=True)
        if strange := sorted(set(y_val.tolist()) - set(self.classes_.tolist()), key=str):
            raise ValueError(f"y_val: expected labels that y has, found {', '.join(map(repr, strange))} too")
        ids = np.array([f"row {i} of X_val" for i in range(len(X_val))], dtype=np.str_)
        return LabelledRows(X_val, np.array(label_names(y_val), dtype=np.str_), ids)


def _plain(value: Any) -> Any:
    """A number of numpy, as a grid of `np.logspace` has, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def option_defaults(config: type[MethodConfig]) -> dict[str, Any]:
    """The options that are of effect on features in arrays, with their defaults."""
    return {name: field.default for name, field in config.model_fields.items() if name not in CLIP_OPTIONS}
