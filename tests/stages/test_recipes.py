"""Recipes: every value is one that its method takes and has a source; what departs from them is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.encoders.spec import EncoderSpec
from pipeline.learning.clips import stored_output
from pipeline.methods import config_class, method_names
from pipeline.prompts import PROMPT_SETS
from stages.errors import ParamsError
from stages.params import ExtractParams, Params, parse_method
from stages.recipes import departures, load_recipe, recipe_names, recipe_options

FerStage = Callable[..., Any]
ROOT = Path(__file__).parents[2]

every_recipe = pytest.mark.parametrize("name", recipe_names())


@every_recipe
def test_its_method_takes_every_option(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.method in method_names()
    config = parse_method(recipe.method, recipe.options).model_dump()
    assert {option: config[option] for option in recipe.options} == dict(recipe.options)


@every_recipe
def test_every_value_has_a_source_that_can_be_looked_up(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.about
    assert recipe.sources.keys() == recipe.options.keys()
    assert recipe.extract_sources.keys() == recipe.extract.keys()
    assert all(len(source) > 4 for source in [*recipe.sources.values(), *recipe.extract_sources.values()])
    assert all(why for why in recipe.left_open.values())


@every_recipe
def test_what_it_presumes_of_the_cache_can_be_written_into_params(name: str) -> None:
    settings = dict(load_recipe(name).extract)
    EncoderSpec.parse(settings.pop("encoder", "untrained"))
    assert settings.pop("prompts", "clip") in PROMPT_SETS
    assert settings.pop("classes", 7) in (7, 8, "mafw")
    extract = ExtractParams(**settings)
    method = load_recipe(name).method
    reads = config_class(method)(**load_recipe(name).options).reads
    assert set(map(stored_output, reads)) <= set(extract.outputs), "the cache that it asks for does not do for it"


@every_recipe
def test_the_documentation_knows_it(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "recipes.md").read_text("utf-8")


def test_a_value_that_a_recipe_does_not_name_is_that_of_the_recipe_it_is_like() -> None:
    """affectnet.yaml names lr, lr_decay, epochs, balanced; raf-db.yaml has 1.5 for lambda_sep and 0.0002 for lr."""
    options = recipe_options("cafe/affectnet", "cafe")
    assert (options["lr"], options["balanced"], options["lambda_sep"]) == (0.0001, True, 1.5)
    assert recipe_options("cafe/raf-db", "cafe")["lr"] == 0.0002
    assert load_recipe("cafe/affectnet").sources["lambda_sep"] == load_recipe("cafe/raf-db").sources["lambda_sep"]


def test_what_a_recipe_sets_is_not_left_open_by_the_one_it_is_like() -> None:
    for name in recipe_names():
        recipe = load_recipe(name)
        assert not recipe.left_open.keys() & (recipe.options.keys() | recipe.extract.keys()), name


@pytest.mark.parametrize("name", ["cafe/rafdb", "cafe", "../cafe/raf-db", "", "cafe/raf-db.yaml"])
def test_an_unknown_recipe_is_refused(name: str) -> None:
    with pytest.raises(ParamsError, match=r"unknown recipe .*such as cafe/raf-db(\.|$)"):
        load_recipe(name)


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParamsError, match="Did you mean 'cafe/raf-db'"):
        load_recipe("cafe/rafdb")


def test_an_unknown_recipe_that_is_like_no_other_is_refused_with_the_command_that_lists_them(
    project: Path, fer_stage: FerStage
) -> None:
    message = fer_stage("train", "--method", "cafe", "--dataset", "sample-a", "--recipe", "xyz", code=1)
    assert message.strip().endswith("such as cafe/raf-db. Run `fer-stage recipes` to list them")
    Path("params.yaml").write_text("methods: {cafe: {recipe: xyz}}")
    message = fer_stage("datasets", code=1)
    assert "params.yaml: methods.cafe.recipe: unknown recipe 'xyz'" in message
    assert message.strip().endswith("Run `fer-stage recipes` to list them")


def test_a_recipe_of_another_method_is_refused_with_its_own() -> None:
    message = r"recipe cafe/raf-db is one of cafe, not of rul\. Its recipes: rul/raf-db"
    with pytest.raises(ParamsError, match=message):
        recipe_options("cafe/raf-db", "rul")
    with pytest.raises(ParamsError, match=r"not of feature-mask\. It has none"):
        recipe_options("cafe/raf-db", "feature-mask")


class TestDepartures:
    def test_in_batch_size_and_learning_rate_are_reported_with_both_values(self) -> None:
        warnings = departures("rul/raf-db", {"batch_size": 16, "lr": 0.001, "lr_classifier": 0.01})
        assert [line.split(" (")[0] for line in warnings] == [
            "recipe rul/raf-db has lr 0.0002",
            "recipe rul/raf-db has lr_classifier 0.002",
            "recipe rul/raf-db has batch_size 64",
        ]
        assert [line.split("this run has ")[1].split(":")[0] for line in warnings] == ["0.001", "0.01", "16"]

    def test_in_other_options_are_the_users_business(self) -> None:
        assert departures("rul/raf-db", {"epochs": 2, "lr_decay": 0.5, "dropout": 0.0}) == []

    def test_are_none_where_the_recipe_is_followed(self) -> None:
        for name in recipe_names():
            config = parse_method(load_recipe(name).method, load_recipe(name).options)
            assert departures(name, config) == []

    def test_of_a_whole_config_are_found(self) -> None:
        config = Params(methods={"cafe": {"recipe": "cafe/raf-db", "lr": 0.01}}).method("cafe")
        assert len(departures("cafe/raf-db", config)) == 1


class TestCommand:
    def test_lists_every_recipe(self, fer_stage: FerStage) -> None:
        rows = fer_stage("recipes", "--format", "json")
        assert [row["recipe"] for row in rows] == list(recipe_names())
        assert all(row["about"] and row["options"] for row in rows)

    def test_shows_the_values_of_one_with_their_sources(self, fer_stage: FerStage) -> None:
        rows = fer_stage("recipes", "--recipe", "cafe/affectnet", "--format", "json")
        settings = {(row["of"], row["name"]): (row["value"], row["source"]) for row in rows}
        assert settings["train", "lr"] == (0.0001, "CAFE, App. A.2")
        assert settings["extract", "outputs"][0] == ["pooled", "pixels"]
        assert settings["left open", "pretrained"][0] is None

    def test_refuses_an_unknown_one_with_the_nearest(self, fer_stage: FerStage) -> None:
        assert "Did you mean 'eac/raf-db'" in fer_stage("recipes", "--recipe", "eac/rafdb", code=1)

    def test_prints_csv(self, fer_stage: FerStage) -> None:
        lines = fer_stage("recipes", "--format", "csv").splitlines()
        assert lines[0] == "recipe,options,about"
        assert len(lines) == 1 + len(recipe_names())
