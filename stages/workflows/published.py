"""Published values with the settings of their recipes: what a report compares results with."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from pipeline.learning.options import MethodConfig
from pipeline.prompts import templates
from pipeline.published import published_claims
from pipeline.report.published import Target
from stages.params import parse_method
from stages.recipes import load_recipe

__all__ = ["targets_of"]


def targets_of(methods: Collection[str], datasets: Collection[str]) -> list[Target]:
    """The published values of some of our methods on some of our datasets, by their names.

    Recipes of others are not read: a report of the sample starts as fast as before.
    """
    return [
        Target(claim, *_settings(claim.ours, claim.recipe, tuple(claim.options.items())))
        for claim in published_claims()
        if claim.ours in methods and not set(datasets).isdisjoint(claim.test_set.datasets)
    ]


@cache
def _settings(
    method: str, recipe: str, changes: tuple[tuple[str, object], ...]
) -> tuple[MethodConfig, int, tuple[str, ...]]:
    """All options of the method, the side of its images, its prompts; a file of weights is no setting of a recipe."""
    known = load_recipe(recipe)
    options = {**known.options, **dict(changes)}
    options.pop("pretrained", None)
    prompts = templates(known.extract["prompts"]) if "prompts" in known.extract else ()
    return parse_method(method, options), int(known.extract.get("pixel_size", 0)), prompts
