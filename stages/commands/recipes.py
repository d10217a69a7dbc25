"""fer-stage recipes: the papers' settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from stages.commands.options import format_option
from stages.output import echo_rows, say
from stages.recipes import Recipe, load_recipe, recipe_names

__all__ = ["command"]


@click.command("recipes")
@click.option("--recipe", help="Show this one's values with their sources, instead of the list.")
@format_option
def command(recipe: str | None, output_format: str) -> None:
    """The papers' settings per method and dataset, for `fer-stage train --recipe`."""
    if recipe is None:
        found = [load_recipe(name) for name in recipe_names()]
        echo_rows([{"recipe": r.name, "options": len(r.options), "about": r.about} for r in found], output_format)
        return
    chosen = load_recipe(recipe)
    say(f"{chosen.name}: {chosen.about}")
    echo_rows(list(_rows(chosen)), output_format)


def _rows(recipe: Recipe) -> Iterator[dict[str, Any]]:
    for name, value in recipe.options.items():
        yield {"of": "train", "name": name, "value": value, "source": recipe.sources[name]}
    for name, value in recipe.extract.items():
        yield {"of": "extract", "name": name, "value": value, "source": recipe.extract_sources[name]}
    for name, why in recipe.left_open.items():
        yield {"of": "left open", "name": name, "value": None, "source": why}
