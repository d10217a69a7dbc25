"""The whole of params.yaml: how it describes a dataset, an encoder, a method and a prompt set."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from pipeline.datasets.drawn import SAMPLES
from pipeline.datasets.layouts import LAYOUTS, is_layout
from pipeline.encoders.families import FAMILIES
from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import ConfigError
from pipeline.learning.options import MethodConfig
from pipeline.methods import METHODS, config_class, is_method
from pipeline.plugins import is_reference
from pipeline.prompts import PROMPT_SETS, check_template, templates
from pipeline.suggestions import did_you_mean
from pipeline.tables.labels import ClassSet, fitting_class_set
from stages.errors import ParamsError
from stages.names import check_name, colliding_stages, name_problems, parse_limited_name
from stages.params.blocks import (
    Block,
    DatasetParams,
    ExtractParams,
    ProtocolParams,
    RunParams,
    SampleParams,
    as_value_error,
)
from stages.params.problems import explain
from stages.recipes import recipe_options

__all__ = ["Params", "parse_method"]

_ARCHIVES = ("", ".tar", ".tar.gz", ".tgz", ".zip")


class Params(Block):
    """The whole file; every block has defaults, so commands work without one."""

    classes: ClassSet = 7
    datasets: dict[str, DatasetParams] = Field(default_factory=dict)
    encoders: dict[str, str] = Field(default_factory=lambda: {"mini": "mini"})
    sample: SampleParams = SampleParams()
    extract: ExtractParams = ExtractParams()
    prompts: str = "kefer"
    prompt_sets: dict[str, list[str]] = Field(default_factory=dict, description="of one's own, beside those we have")
    methods: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="options of a method; `recipe` names a paper's settings that they change, `code` the file of a "
        "method of one's own, `grid` options with values: a run for each combination",
    )
    protocol: ProtocolParams = ProtocolParams()
    run: RunParams = RunParams()

    @model_validator(mode="after")
    def _check_names(self) -> Params:
        self._check_plain()
        self._check_prompts()
        for name, text in self.encoders.items():
            as_value_error(f"encoders.{name}", EncoderSpec.parse, text)
        self._check_methods()
        for name in self.run.samples:
            if name not in SAMPLES:
                raise ValueError(f"run.samples: unknown style {name!r:.100}. {did_you_mean(name, SAMPLES)}")
        for name in self.run.train:
            if name not in self.run.datasets:
                raise ValueError(f"run.train: {name!r:.100} is not among run.datasets: {', '.join(self.run.datasets)}")
        for name in self.run.test or ():
            if name not in self.run.datasets:
                raise ValueError(f"run.test: {name!r:.100} is not among run.datasets: {', '.join(self.run.datasets)}")
        for name in self.run.folds:
            if name not in self.run.train:
                raise ValueError(f"run.folds: {name!r:.100} is not among run.train: {', '.join(self.run.train)}")
        for name in self.run.encoders:
            if name not in self.encoders:
                raise ValueError(f"run.encoders: {name!r:.100} is not among encoders: {', '.join(self.encoders)}")
        if collision := colliding_stages(self.run.model_dump()):
            raise ValueError(collision)
        return self

    def _check_plain(self) -> None:
        """All names that are wrong, before anything else: other errors about them would repeat this one."""
        not_in_graph = set(self.datasets) - set(self.run.datasets)  # known to commands, but no stage of DVC
        problems = [
            *name_problems(
                "dataset", list(dict.fromkeys([*self.datasets, *self.run.datasets])), "datasets", not_in_graph
            ),
            *name_problems("encoder", list(self.encoders), "encoders"),
            *name_problems("method", [name for name in self.own_methods if not is_reference(name)], "methods"),
            *name_problems("prompt set", [*PROMPT_SETS, *self.prompt_sets], "prompt_sets"),
        ]
        if problems:
            raise ValueError("\n  ".join(problems))

    def _check_methods(self) -> None:
        for name, code in self.own_methods.items():
            if not (isinstance(code, str) and is_reference(code)):
                raise ValueError(f"methods.{name}.code: expected FILE.py:NAME, found {code!r:.100}")
            if name in METHODS:
                raise ValueError(f"methods.{name}.code: {name} is a method of fer-stage. Give yours another name")
        for name, block in self.methods.items():
            if "grid" in block and not _is_grid(block["grid"]):
                raise ValueError(
                    f"methods.{name}.grid: expected options with lists of values, as {{beta_div: [1, 5]}}, or several "
                    f"in a list, found {block['grid']!r:.100}"
                )
        for name in [*self.methods, *self.run.methods]:
            if is_reference(name):
                raise ValueError(
                    f"methods: expected a plain name, found {name!r:.100}. Write its file in the block of its name, as "
                    f"`methods: {{my-head: {{code: {name}}}}}`"
                )
            if name not in self.own_methods and not is_method(name):
                known = [*METHODS, *self.own_methods]
                raise ValueError(f"methods: unknown method {name!r:.100}. {did_you_mean(name, sorted(known))}")

    @property
    def own_methods(self) -> dict[str, str]:
        """Methods that are files of one's own: name -> FILE.py:NAME."""
        return {name: block["code"] for name, block in self.methods.items() if "code" in block}

    def _check_prompts(self) -> None:
        for name, own in self.prompt_sets.items():
            if name in PROMPT_SETS:
                raise ValueError(
                    f"prompt_sets: expected a plain name that is none of {', '.join(PROMPT_SETS)}, found {name!r}"
                )
            if not own:
                raise ValueError(f"prompt_sets.{name}: expected at least one template, found none")
            for template in own:
                as_value_error(f"prompt_sets.{name}", check_template, template)
        as_value_error("prompts", partial(templates, others=self.prompt_sets), self.prompts)

    def dataset(self, name: str, layout: str | None = None, root: str | None = None) -> DatasetParams:
        """How dataset `name` is read: as configured, as a sample style, or as the layout of that name.

        Raises
        ------
        ParamsError
            If neither params.yaml nor a layout of that name describes it.
        """
        if first := parse_limited_name(name):
            raise ParamsError(
                f"--dataset {name!r:.100}: expected the name of a whole dataset, found one that --limit made. "
                f"Write {shlex.join(['--dataset', first[0], '--limit', str(first[1])])}"
            )
        try:
            check_name("dataset", name, "--dataset", self.datasets, in_graph=name in self.run.datasets)
        except ValueError as error:
            raise ParamsError(str(error)) from error
        known = self.datasets.get(name)
        if layout is not None and not is_layout(layout):
            raise ParamsError(f"unknown layout {layout!r}. {did_you_mean(layout, LAYOUTS)}")
        if layout is None:
            layout = known.layout if known else "sample" if name in SAMPLES else name
        if not is_layout(layout):
            named = list(dict.fromkeys([*self.datasets, *SAMPLES]))
            listed = f"Known: {', '.join(named)}, and the layouts"  # which the remedy has
            raise ParamsError(
                f"dataset {name!r} is not in params.yaml and is no layout. "
                f"{did_you_mean(name, [*named, *LAYOUTS], otherwise=listed)}",
                remedy=[("index", {"dataset": name, "layout": "LAYOUT", "root": "PATH"})],
                purpose=f"with its layout, one of {', '.join(LAYOUTS)}",
            )
        options = dict(known.options) if known and known.layout == layout else {}
        root = root or (known.root if known else "") or _default_root(name)
        return DatasetParams(layout=layout, root=root, options={"classes": self._classes_of(layout)} | options)

    def _classes_of(self, layout: str) -> ClassSet:
        """Of a dataset that does not state them: a table has the classes that its layout knows, of those asked for."""
        known = LAYOUTS.get(layout)  # the code of a layout of one's own is not run for this
        return fitting_class_set(self.classes, known.Options.class_sets) if known else self.classes

    def encoder(self, name_or_spec: str) -> tuple[str, EncoderSpec]:
        """The folder name and the spec of an encoder, from its name in params.yaml or the spec itself."""
        if name_or_spec in self.encoders:
            return name_or_spec, EncoderSpec.parse(self.encoders[name_or_spec])
        try:
            spec = EncoderSpec.parse(name_or_spec)
        except ConfigError as error:
            whole_names = [name for name, family in FAMILIES.items() if family.syntax.pattern is None]
            meant = did_you_mean(name_or_spec, [*self.encoders, *whole_names], otherwise="")
            raise ParamsError(
                f"{error}, or a name from params.yaml: {', '.join(self.encoders)}. {meant}".rstrip(". ")
            ) from error
        return spec.slug, spec

    def method(self, name: str) -> MethodConfig:
        """The options of a method: its defaults, changed by its recipe, changed by the block of its name."""
        return parse_method(name, self.options(name)[1])

    def options(self, name: str, recipe: str = "") -> tuple[str, dict[str, Any]]:
        """A method's block of params.yaml: the name of its recipe, or "", and all options that are not defaults.

        Parameters
        ----------
        recipe : instead of the one that the method's block names
        """
        block = dict(self.methods.get(name, {}))
        for other in ("code", "grid"):
            block.pop(other, None)
        own = block.pop("recipe", "")
        if recipe or own == "":
            return recipe, {**(recipe_options(recipe, name) if recipe else {}), **block}
        try:
            return own, {**recipe_options(own, name), **block}
        except ParamsError as error:
            message = f"methods.{name}.recipe: {error}"
            raise ParamsError(message, remedy=error.remedy, purpose=error.purpose) from error

    def grids(self, name: str) -> tuple[Mapping[str, Sequence[Any]], ...]:
        """The grids in a method's block, option -> values: a run for each point of each of them. None without."""
        grid = self.methods.get(name, {}).get("grid", ())
        return (grid,) if isinstance(grid, Mapping) else tuple(grid)

    def templates(self, prompt_set: str) -> tuple[str, ...]:
        """The templates of a prompt set, ours or one of `prompt_sets`; ConfigError if there is none of that name."""
        return templates(prompt_set, self.prompt_sets)


def parse_method(name: str, options: Mapping[str, Any]) -> MethodConfig:
    """Check a method's options; ParamsError lists all that is wrong with them."""
    kind = config_class(name)
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise ParamsError(explain(error, kind, f"methods.{name}")) from error


def _is_grid(value: Any) -> bool:
    grids = value if isinstance(value, list) and value else [value]
    return all(
        isinstance(grid, Mapping) and grid and all(isinstance(some, list) and some for some in grid.values())
        for grid in grids
    )


def _default_root(name: str) -> str:
    candidates = [f"data/{name}{suffix}" for suffix in _ARCHIVES]
    return next((root for root in candidates if Path(root).exists()), candidates[0])
