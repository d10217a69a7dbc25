"""params.yaml: what to run. Read once, checked as a whole; library code gets objects.

Everything here changes a result. What does not (device, batch size, workers) is an option of a command only.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.datasets.drawn import GENERATOR_VERSION, STYLES
from pipeline.datasets.layouts import LAYOUTS, is_layout
from pipeline.datasets.layouts.base import parse_options
from pipeline.encoders.families.file_family import allow
from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import ConfigError
from pipeline.learning.options import MethodConfig
from pipeline.methods import METHODS, config_class, is_method
from pipeline.methods.own import declare_methods
from pipeline.plugins import is_reference
from pipeline.prompts import PROMPT_SETS, check_template, templates
from stages.errors import ParamsError
from stages.names import check_name, colliding_stages, first_rows, name_problems
from stages.recipes import recipe_options
from stages.seeds import Seed
from stages.yaml_files import YAML_ERRORS, YamlDocument, read_yaml_strictly

__all__ = [
    "DatasetParams",
    "ExtractParams",
    "Params",
    "SampleParams",
    "explain",
    "load_params",
    "parse_method",
    "parse_params",
]

_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_ARCHIVES = ("", ".tar", ".tar.gz", ".tgz", ".zip")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # a template may hold tabs and line ends
_SHOWN = 80  # characters of a value in a message


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DatasetParams(_Block):
    """One dataset: how it is laid out, where it is, and its layout's own options."""

    layout: str
    root: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_layout(self) -> DatasetParams:
        if not is_layout(self.layout):
            raise ValueError(f"unknown layout {self.layout!r}.{_near(self.layout, LAYOUTS)}")
        if self.layout in LAYOUTS:  # those of one's own are checked when their code is run
            _as_value_error("options", partial(parse_options, LAYOUTS[self.layout]), self.options)
        return self


class SampleParams(_Block):
    """The drawn faces. `version` is the generator's: a change of it changes results, so it is stated here."""

    version: int = GENERATOR_VERSION
    images: int = Field(1200, ge=60, le=1_000_000)
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_version(self) -> SampleParams:
        if self.version != GENERATOR_VERSION:
            raise ValueError(f"this program draws version {GENERATOR_VERSION} of the sample")
        return self


class ExtractParams(_Block):
    """What a store holds of every image. All of it enters the key of a store, but for `ending`."""

    outputs: list[Annotated[str, Field(pattern=r"^(pooled|tokens|block-\d+|pixels)$")]] = ["pooled"]
    views: int = Field(1, ge=1, le=64, description="view 0 is plain; more are augmentations of the train split")
    view_seed: Seed = 0
    dtype: Literal["float16", "float32"] = "float16"
    pixel_size: int = Field(64, ge=8, le=1024, description="side of the pixels output")
    resize: Literal["encoder", "shortest", "squash"] = "encoder"
    normalise: Literal["encoder", "imagenet"] = Field(
        "encoder", description="imagenet: CAFE's public code feeds CLIP images normalised so"
    )
    faces: Literal["given", "aligned"] = Field("given", description="aligned: as `align` found them")
    margin: float = Field(0.0, ge=-0.25, le=2, description="around an aligned face, share of the template's side")
    missed: Literal["reject", "centre"] = Field("reject", description="what an image is in which no face was found")
    ending: Literal["zarr", "h5"] = Field("zarr", description="of the store's name; chooses the backend")


class ProtocolParams(_Block):
    """Train on one, test on all."""

    test_split: Literal["test", "val"] = "test"
    drop_other_labels: bool = Field(
        False, description="leave rows out whose label a head does not know; they are counted in every score"
    )


class RunParams(_Block):
    """The matrix that `dvc repro` works through. Heads are trained on `train` and tested on all of `datasets`."""

    samples: list[str] = list(STYLES)
    datasets: list[str] = list(STYLES)
    train: list[str] = Field(list(STYLES), description="those of datasets that heads are trained on; by default all")
    encoders: list[str] = ["mini"]
    methods: list[str] = ["baseline", "linear-probe", "feature-mask", "cafe", "kefer", "metd", "zero-shot"]
    seeds: list[Seed] = [0]

    @model_validator(mode="before")
    @classmethod
    def _train_on_all(cls, data: Any) -> Any:
        if isinstance(data, dict) and "datasets" in data:
            return {"train": data["datasets"], **data}
        return data


class Params(_Block):
    """The whole file; every block has defaults, so commands work without one."""

    classes: Literal[7, 8] = 7
    datasets: dict[str, DatasetParams] = Field(default_factory=dict)
    encoders: dict[str, str] = Field(default_factory=lambda: {"mini": "mini"})
    sample: SampleParams = SampleParams()
    extract: ExtractParams = ExtractParams()
    prompts: str = "kefer"
    prompt_sets: dict[str, list[str]] = Field(default_factory=dict, description="of one's own, beside those we have")
    methods: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="options of a method; `recipe` names a paper's settings that they change, `code` the file of a "
        "method of one's own",
    )
    protocol: ProtocolParams = ProtocolParams()
    run: RunParams = RunParams()

    @model_validator(mode="after")
    def _check_names(self) -> Params:
        self._check_plain()
        self._check_prompts()
        for name, text in self.encoders.items():
            _as_value_error(f"encoders.{name}", EncoderSpec.parse, text)
        self._check_methods()
        for name in self.run.samples:
            if name not in STYLES:
                raise ValueError(f"run.samples: unknown style {name!r:.100}.{_near(name, STYLES)}")
        for name in self.run.train:
            if name not in self.run.datasets:
                raise ValueError(f"run.train: {name!r:.100} is not among run.datasets: {', '.join(self.run.datasets)}")
        for name in self.run.encoders:
            if name not in self.encoders:
                raise ValueError(f"run.encoders: {name!r:.100} is not among encoders: {', '.join(self.encoders)}")
        if collision := colliding_stages(self.run.model_dump()):
            raise ValueError(collision)
        return self

    def _check_plain(self) -> None:
        """All names that are wrong, before anything else: other errors about them would repeat this one."""
        alone = set(self.datasets) - set(self.run.datasets)  # known to commands, but no stage of DVC
        problems = [
            *name_problems("dataset", list(dict.fromkeys([*self.datasets, *self.run.datasets])), "datasets", alone),
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
        for name in [*self.methods, *self.run.methods]:
            if is_reference(name):
                raise ValueError(
                    f"methods: expected a plain name, found {name!r:.100}. Write its file in the block of its name, as "
                    f"`methods: {{my-head: {{code: {name}}}}}`"
                )
            if name not in self.own_methods and not is_method(name):
                known = [*METHODS, *self.own_methods]
                raise ValueError(f"methods: unknown method {name!r:.100}.{_near(name, sorted(known))}")

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
                _as_value_error(f"prompt_sets.{name}", check_template, template)
        _as_value_error("params.yaml", partial(templates, others=self.prompt_sets), self.prompts)

    def dataset(self, name: str, layout: str | None = None, root: str | None = None) -> DatasetParams:
        """How dataset `name` is read: as configured, as a sample style, or as the layout of that name.

        Raises
        ------
        ParamsError
            If nothing says how.
        """
        if first := first_rows(name):
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
            raise ParamsError(f"unknown layout {layout!r}.{_near(layout, LAYOUTS)}")
        if layout is None:
            layout = known.layout if known else "sample" if name in STYLES else name
        if not is_layout(layout):
            raise ParamsError(
                f"dataset {name!r} is not in params.yaml and is no layout.{_near(name, [*self.datasets, *LAYOUTS])}",
                remedy=[("index", {"dataset": name, "layout": "LAYOUT", "root": "PATH"})],
                purpose=f"with its layout, one of {', '.join(LAYOUTS)}",
            )
        options = dict(known.options) if known and known.layout == layout else {}
        root = root or (known.root if known else "") or _default_root(name)
        return DatasetParams(layout=layout, root=root, options={"classes": self.classes} | options)

    def encoder(self, name_or_spec: str) -> tuple[str, EncoderSpec]:
        """The folder name and the spec of an encoder, from its name in params.yaml or the spec itself."""
        if name_or_spec in self.encoders:
            return name_or_spec, EncoderSpec.parse(self.encoders[name_or_spec])
        try:
            spec = EncoderSpec.parse(name_or_spec)
        except ConfigError as error:
            raise ParamsError(f"{error}, or a name from params.yaml: {', '.join(self.encoders)}") from error
        return spec.slug, spec

    def method(self, name: str) -> MethodConfig:
        """The options of a method: its defaults, changed by its recipe, changed by the block of its name."""
        return parse_method(name, self.options(name)[1])

    def options(self, name: str, recipe: str = "") -> tuple[str, dict[str, Any]]:
        """What params.yaml says of a method: the name of its recipe, or "", and all options that are not defaults.

        Parameters
        ----------
        recipe : instead of the one that the method's block names
        """
        block = dict(self.methods.get(name, {}))
        block.pop("code", None)
        own = block.pop("recipe", "")
        if recipe or own == "":
            return recipe, {**(recipe_options(recipe, name) if recipe else {}), **block}
        try:
            return own, {**recipe_options(own, name), **block}
        except ParamsError as error:
            message = f"methods.{name}.recipe: {error}"
            raise ParamsError(message, remedy=error.remedy, purpose=error.purpose) from error

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


def load_params(path: Path) -> Params:
    """Read and check params.yaml; the defaults if the file is not there.

    Raises
    ------
    ParamsError
        All that is wrong at once: unknown keys with the nearest known one, wrong types, bad YAML.
    """
    params = _load_params(path)
    declare_methods(params.own_methods)
    for text in params.encoders.values():
        allow(EncoderSpec.parse(text))
    return params


def _load_params(path: Path) -> Params:
    if not path.exists():
        return Params()
    if not path.is_file():
        raise ParamsError(f"{path}: expected a YAML file, found {'a folder' if path.is_dir() else 'no regular file'}")
    document = _read_document(path)
    params = Params() if document.data is None else parse_params(document.data, str(path))
    if document.two_meanings:
        raise ParamsError(
            f"{path}: expected values that DVC reads as we do, found {', '.join(document.two_meanings[:12])}. Write "
            "numbers as 10 or 0.001, truth values as true or false, and texts in quotes"
        )
    return params


def _read_document(path: Path) -> YamlDocument:
    try:
        return read_yaml_strictly(path)
    except YAML_ERRORS as error:
        raise ParamsError(f"{path} is not YAML that can be read: {error}") from error
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}") from error


def parse_params(data: Any, where: str) -> Params:
    """Check what params.yaml holds.

    Parameters
    ----------
    data : as YAML reads it
    where : the file, for messages

    Raises
    ------
    ParamsError
        All that is wrong at once, with the file and each field.
    """
    if not isinstance(data, dict):
        raise ParamsError(f"{where}: expected names with values, found {type(data).__name__}")
    if unprintable := _with_control_characters(data):
        raise ParamsError(f"{where}: expected text without control characters, found {'; '.join(unprintable[:3])}")
    try:
        params = Params.model_validate(data)
    except ValidationError as error:
        raise ParamsError(explain(error, Params, where)) from error
    for name in params.methods.keys() & METHODS.keys():  # those of one's own are checked when their code is run
        try:
            params.method(name)
        except ParamsError as error:
            raise ParamsError(f"{where}: {error}", remedy=error.remedy, purpose=error.purpose) from error
    return params


def _with_control_characters(data: Any) -> list[str]:
    """`datasets.x.root: '\\x00'` for each text, names too, that no path, name or sentence can hold."""
    problems: list[str] = []
    pending, visited = [("", data)], set()
    while pending:
        field, value = pending.pop()
        if isinstance(value, str):
            problems += [f"{field}: {_shown(value)}"] if _CONTROL.search(value) else []
        elif isinstance(value, dict | list) and id(value) not in visited:  # an alias of YAML is the same object
            visited.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            pending += [(f"{field}.{name}".lstrip("."), item) for name, item in items]
            pending += [(f"{field} (a name)".lstrip(), name) for name in value if isinstance(value, dict)]
    return problems


def explain(error: ValidationError, model: Any, where: str) -> str:
    """One line per problem: which key, what is wrong, what would be right.

    Parameters
    ----------
    model : class of pydantic, or its dataclass
    where : the file, or the function, for the message
    """
    problems = [_problem(dict(item), model) for item in error.errors()]
    return f"{where}: {len(problems)} problem{'s' if len(problems) > 1 else ''}\n" + "\n".join(
        f"  {p}" for p in problems
    )


def _problem(item: Mapping[str, Any], model: Any) -> str:
    location = item["loc"]
    key = ".".join(str(part) for part in location) or "file"
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: unknown key.{_near(str(location[-1]), _keys_at(model, location[:-1]))}"
    hint = _hint(item)
    message = item["msg"].removeprefix("Value error, ")
    if not location or isinstance(item["input"], dict):  # our own check of a whole block, which names what it found
        return message if key == "file" else f"{key}: {message}"
    return f"{key}: {message}, found {_shown(item['input'])}.{hint}"


def _shown(value: Any) -> str:
    """The value as Python writes it, its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _hint(item: Mapping[str, Any]) -> str:
    """How a value of another type is written as what is expected, where that is plain."""
    value, kind = item["input"], item["type"]
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f' YAML reads {value} as a number: write it as "{value}"'
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f" Write it as {int(value)}"
    if kind in ("int_type", "float_type", "string_type") and isinstance(value, bool):
        right = "a text in quotes" if kind == "string_type" else "a number"
        return f" YAML reads yes, on, no and off as true and false: write {right}"
    if kind == "list_type" and isinstance(value, str | int | float) and not isinstance(value, bool):
        return f" Write it as [{value}]"
    if kind in ("dict_type", "model_type") and value is None:
        return " Write {} for what holds by default, or remove the key"
    if not isinstance(value, str):
        return ""
    written = _as_expected(value, kind, item.get("ctx", {}))
    return f" YAML reads {value} as text: write it as {written}, without quotes" if written else ""


def _as_expected(text: str, kind: str, context: Mapping[str, Any]) -> str:
    """The text as the number or truth value that pydantic's error of this kind asks for; empty if it is none."""
    if kind == "bool_type" and text.casefold() in _TRUTHS:
        return _TRUTHS[text.casefold()]
    if not _is_number(text):
        return ""
    number = float(text)
    if kind == "float_type":
        return _as_yaml(number)
    is_whole = kind == "int_type" or (kind == "literal_error" and text in str(context.get("expected", "")).split())
    return str(int(number)) if is_whole and number.is_integer() else ""


def _keys_at(model: Any, location: tuple[Any, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            # inside `datasets: {name: {...}}` the part is a name, and its block is a DatasetParams
            return list(DatasetParams.model_fields) if location[0] == "datasets" else []
        model = field.annotation
    return list(model.__pydantic_fields__)


def _as_yaml(number: float) -> str:
    """The number as YAML 1.1 reads it back: 5e-06 is a text to it, 5.0e-06 a number."""
    return re.sub(r"^(-?\d+)e", r"\1.0e", repr(number))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}." if known else ""


def _default_root(name: str) -> str:
    candidates = [f"data/{name}{ending}" for ending in _ARCHIVES]
    return next((root for root in candidates if Path(root).exists()), candidates[0])


def _as_value_error(where: str, parse: Any, value: Any) -> None:
    try:
        parse(value)
    except ConfigError as error:
        raise ValueError(f"{where}: {error}") from error
