"""Settings of the papers, per method and dataset, each value with its source.

METHOD/NAME.yaml   one recipe
catalogue          reads them
"""

from stages.recipes.catalogue import Recipe, departures, load_recipe, recipe_names, recipe_options

__all__ = ["Recipe", "departures", "load_recipe", "recipe_names", "recipe_options"]
