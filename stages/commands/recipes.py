"""fer-stage recipes: the papers' settings."""

from __future__ import annotations

import click

from stages.commands.options import format_option
from stages.output import echo_rows, say

__all__ = ["command"]


@click.command("recipes")
@click.option("--recipe", help="Print the values of this recipe with their sources, instead of the list.")
@format_option
def command(recipe: str | None, output_format: str) -> None:
    """The papers' settings per method and dataset, for `fer-stage train --recipe`."""
    from stages.recipes import load_recipe, recipe_names

    if recipe is None:
        recipes = [load_recipe(name) for name in recipe_names()]
        rows = [{"recipe": one.name, "options": len(one.options), "about": one.about} for one in recipes]
    else:
        chosen = load_recipe(recipe)
        say(f"{chosen.name}: {chosen.about}")
        rows = [vars(setting) for setting in chosen.settings]
    echo_rows(rows, output_format)
