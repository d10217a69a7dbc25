"""Estimators of scikit-learn over cached features: a head in a `Pipeline`, `cross_val_score` or `GridSearchCV`.

There is one for every method that learns from one feature of an image, made from the method's own options:
`feature-mask` is `FeatureMaskClassifier`. See `HeadClassifier` for what they share.

    from stages.sklearn import FeatureMaskClassifier
    store = cache.open("features/mini/ferplus.zarr")
    head = FeatureMaskClassifier(random_state=0).fit(store.features("train"), store.labels("train"))
    head.score(store.features("test"), store.labels("test"))
"""

# The module has the name of the library that it is made for, as `xgboost.sklearn` has: users look for it there.

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pipeline.learning.options import MethodConfig
from pipeline.methods import METHODS, config_class
from stages.estimators.base import HeadClassifier, option_defaults

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[HeadClassifier]: ...


def _estimator(name: str, config: type[MethodConfig]) -> type[HeadClassifier]:
    """The estimator of a method: its constructor has the method's options as parameters, as scikit-learn reads them."""
    defaults = option_defaults(config)
    others: dict[str, Any] = {"validation_fraction": 0.1, "random_state": None, "device": "cpu"}
    others |= {"text": None} if config.needs_text else {}
    others |= {"encoder": None} if config.needs_encoder is True else {}
    parameters = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default)
        for option, default in (defaults | others).items()
    ]
    signature = inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), *parameters])

    def __init__(*args: Any, **options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        estimator, *values = bound.arguments.values()
        for parameter, value in zip(parameters, values, strict=True):
            setattr(estimator, parameter.name, value)

    __init__.__signature__ = signature  # type: ignore[attr-defined]  # what get_params, clone and `help` read
    body = {
        "__init__": __init__,
        "__doc__": _documentation(config),
        "__module__": __name__,
        "method": config.method,
        "config_class": config,
    }
    return type(name, (HeadClassifier,), body)


def _documentation(config: type[MethodConfig]) -> str:
    options = [
        f"{name} : default {default!r}\n    {config.model_fields[name].description}"
        for name, default in option_defaults(config).items()
    ]
    lines = "\n".join(options)
    return (
        f"{inspect.getdoc(config)}\n\nThe method `{config.method}` as an estimator: see `HeadClassifier` for the other "
        f"parameters, and for what is learned.\n\nParameters\n----------\n{lines}\n"
    )


def _estimators() -> dict[str, type[HeadClassifier]]:
    """Name -> estimator, of every method that by default reads the pooled feature alone."""
    configs = {method: config_class(method) for method in METHODS}
    chosen = {method: config for method, config in configs.items() if config().reads == ("pooled",)}
    names = {method: "".join(word.capitalize() for word in method.split("-")) + "Classifier" for method in chosen}
    return {names[method]: _estimator(names[method], config) for method, config in chosen.items()}


_ESTIMATORS = _estimators()
globals().update(_ESTIMATORS)  # by name, so that they can be imported and pickled

__all__ = ["HeadClassifier", *_ESTIMATORS]
