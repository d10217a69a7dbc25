"""Settings of the papers, per method and dataset, each value with its source; and fer-stage recipes, which shows them.

METHOD/NAME.yaml   one recipe
book               reads them
show               the command
"""

from stages.recipes.book import Recipe, departures, load_recipe, recipe_names, recipe_options
from stages.recipes.show import command

__all__ = ["Recipe", "command", "departures", "load_recipe", "recipe_names", "recipe_options"]
