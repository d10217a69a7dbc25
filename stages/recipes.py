"""Recipes: the settings of papers, per method and dataset, each value with its source.

They are `recipes/METHOD/NAME.yaml` in the folder of the method's family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from pipeline.methods import family_names
from pipeline.suggestions import did_you_mean
from stages.errors import ParamsError

__all__ = ["Recipe", "Setting", "departures", "load_recipe", "recipe_names", "recipe_options"]

# Options that results depend on most, and that are changed first where memory or time is short.
_CRITICAL = re.compile(r"batch_size|(\w+_)?lr(_(?!decay)\w+)?")


@dataclass(frozen=True)
class Setting:
    """One value of a recipe.

    Parameters
    ----------
    of : the command that it is for, `train` or `extract`; or `left open`, where the recipe cannot set it
    name : of the option, or what is left open
    value : None where it is left open
    source : paper and section, or the authors' code; or why it is left open, and what holds instead
    """

    of: Literal["train", "extract", "left open"]
    name: str
    value: Any
    source: str


@dataclass(frozen=True)
class Recipe:
    """A paper's settings of one method on one dataset.

    Parameters
    ----------
    name : METHOD/DATASET
    about : a description
    options : of the method; what is not named keeps its default
    sources : option -> source of its value: paper and section, or the authors' code
    extract : what the recipe expects of the store, as advice: names of params.yaml, below `extract` or at its top
    extract_sources : the same for `extract`
    left_open : what the recipe cannot set -> why, and what holds instead
    """

    name: str
    about: str
    options: Mapping[str, Any]
    sources: Mapping[str, str]
    extract: Mapping[str, Any]
    extract_sources: Mapping[str, str]
    left_open: Mapping[str, str]

    @property
    def method(self) -> str:
        return self.name.partition("/")[0]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All values with their sources: of `train`, of `extract`, and what is left open."""
        return (
            *(Setting("train", name, value, self.sources[name]) for name, value in self.options.items()),
            *(Setting("extract", name, value, self.extract_sources[name]) for name, value in self.extract.items()),
            *(Setting("left open", name, None, reason) for name, reason in self.left_open.items()),
        )


class _FileSetting(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: Any
    source: str


class _File(BaseModel):
    """The content of a file; `like` names a recipe of the same method whose settings hold where this one has none."""

    model_config = ConfigDict(extra="forbid")

    about: str
    like: str = ""
    options: dict[str, _FileSetting] = {}
    extract: dict[str, _FileSetting] = {}
    left_open: dict[str, str] = {}

    def with_defaults_of(self, other: _File) -> _File:
        """These settings, and those of `other` where there are none; what is set here is no longer left open."""
        known = self.options.keys() | self.extract.keys()
        return _File(
            about=self.about,
            options={**other.options, **self.options},
            extract={**other.extract, **self.extract},
            left_open={name: why for name, why in {**other.left_open, **self.left_open}.items() if name not in known},
        )


def recipe_names() -> tuple[str, ...]:
    """Every recipe, in alphabetical order."""
    return tuple(
        sorted(
            f"{folder.name}/{file.name.removesuffix('.yaml')}"
            for folder in _folders().values()
            for file in folder.iterdir()
            if file.name.endswith(".yaml")
        )
    )


def load_recipe(name: str) -> Recipe:
    """The recipe METHOD/DATASET.

    Raises
    ------
    ParamsError
        If there is none; the message suggests the nearest one.
    """
    known = recipe_names()
    if name not in known:
        hint = did_you_mean(str(name), known, otherwise="")
        raise ParamsError(
            f"unknown recipe {name!r}: expected METHOD/DATASET, such as cafe/raf-db. {hint}".rstrip(". "),
            remedy=[] if hint else [("recipes", {})],
            purpose="to list them",
        )
    file = _read(name)
    return Recipe(
        name=name,
        about=file.about,
        options={option: setting.value for option, setting in file.options.items()},
        sources={option: setting.source for option, setting in file.options.items()},
        extract={option: setting.value for option, setting in file.extract.items()},
        extract_sources={option: setting.source for option, setting in file.extract.items()},
        left_open=file.left_open,
    )


def recipe_options(name: str, method: str) -> dict[str, Any]:
    """The options that recipe `name` sets for `method`.

    Raises
    ------
    ParamsError
        If there is no such recipe, or it is another method's.
    """
    recipe = load_recipe(name)
    if recipe.method != method:
        own = [known for known in recipe_names() if known.startswith(f"{method}/")]
        hint = f"Its recipes: {', '.join(own)}" if own else "It has none"
        raise ParamsError(f"recipe {name} is one of {recipe.method}, not of {method}. {hint}")
    return dict(recipe.options)


def departures(name: str, options: Mapping[str, Any] | BaseModel) -> list[str]:
    """A warning for each batch size and learning rate that is not the recipe's.

    Parameters
    ----------
    name : of the recipe
    options : of the run, all of them or those that were chosen
    """
    recipe, chosen = load_recipe(name), dict(options)
    return [
        f"recipe {name} has {option} {value} ({recipe.sources[option]}), this run has {chosen[option]}: "
        "results are not comparable with the paper's"
        for option, value in recipe.options.items()
        if _CRITICAL.fullmatch(option) and chosen.get(option, value) != value
    ]


def _folders() -> dict[str, Traversable]:
    """Method -> the folder of its recipes."""
    families = files("pipeline.methods")
    of_families = (families / family / "recipes" for family in family_names())
    return {folder.name: folder for recipes in of_families if recipes.is_dir() for folder in recipes.iterdir()}


def _read(name: str) -> _File:
    method, dataset = name.split("/")
    text = (_folders()[method] / f"{dataset}.yaml").read_text("utf-8")
    file = _File.model_validate(yaml.safe_load(text))
    return file.with_defaults_of(_read(f"{method}/{file.like}")) if file.like else file
