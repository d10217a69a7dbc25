"""Types of fields: what a caller may pass, and what a request holds.

`dataset="x", root="data/x"` and `root=Path("data/x")` make the same request, which holds a `Path`. Pydantic converts
when the request is made; `Converted` gives type checkers both types, as the `__get__` and `__set__` of a descriptor.
They would require a descriptor as the default of such a field, too: `default` hides its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from stages.durations import seconds
from stages.seeds import MOST_FOLDS, MOST_SEEDS, Seed

__all__ = [
    "CONFIG",
    "PICTURE_SUFFIXES",
    "Duration",
    "FolderOrBucket",
    "Grid",
    "Inputs",
    "NotNegative",
    "OptionalDuration",
    "OptionalFolds",
    "OptionalNumbersOfFolds",
    "OptionalPathLike",
    "OptionalPicture",
    "OptionalPng",
    "OptionalSeeds",
    "OptionalTextOrPath",
    "OptionalTexts",
    "PathLike",
    "Positive",
    "Request",
    "RunFolders",
    "Share",
    "StorePlace",
    "Texts",
    "default",
]

CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
PICTURE_SUFFIXES = (".png", ".jpg")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


def default(value: Any) -> Any:
    """The default of a field whose type is a `Converted`: the value itself, without a type that is checked."""
    return value


def _place(value: Any) -> Any:
    from cache.places import as_path  # late: it brings a library that `--help` does not need

    return as_path(value)


def _place_of_store(value: Any) -> Any:
    """A path, an open store, or what `extract` returned."""
    from cache.places import AnyPath, as_path

    return as_path(value if isinstance(value, str | AnyPath) else getattr(value, "path", value))


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _several(value: Any) -> Any:
    """One path or name in place of several; several, of whatever kind, as a tuple."""
    if isinstance(value, str | Path):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping) else value


def _run_folders(value: Any) -> Any:
    """One path, what `train` returned, or several of either."""
    if isinstance(value, str | Path):
        return (value,)
    if hasattr(value, "folders"):
        return tuple(value.folders)
    if isinstance(value, Iterable):
        return tuple(folder for item in value for folder in (item.folders if hasattr(item, "folders") else (item,)))
    return value


def _seeds(value: Any) -> Any:
    """One seed in place of several; a range, or an array of numpy, as a tuple."""
    if isinstance(value, int):
        return (value,)
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return tuple(islice(value, MOST_SEEDS + 1))  # no more are needed to refuse them
    return value


def _numbers_of_folds(value: Any) -> Any:
    """A number stays one: how many folds there are. A range, or an array of numpy, becomes a tuple: which they are."""
    return value if isinstance(value, int) else _seeds(value)


def _seconds_or_none(value: Any) -> float | None:
    return None if value is None else seconds(value)


def _grid(value: Any) -> Any:
    return {name: _axis(name, values) for name, values in value.items()} if isinstance(value, Mapping) else value


def _axis(name: str, values: Any) -> Any:
    """The values of an option; ValueError if there are none, or it is one value and no sequence of them."""
    if hasattr(values, "tolist"):  # an array of numpy: its numbers as those of Python
        values = values.tolist()
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name}: expected several values, such as [1, 5]")
    values = dict(values) if isinstance(values, Mapping) else tuple(values)
    if not values:
        raise ValueError(f"{name}: expected at least one value")
    return values


def _with_suffix(*suffixes: str) -> AfterValidator:
    """Of a picture to write: its suffix chooses the format."""

    def check(path: Path) -> Path:
        if path.suffix.lower() not in suffixes:
            raise ValueError(f"expected a name that ends with {' or '.join(suffixes)}")
        return path

    return AfterValidator(check)


Grid = Annotated[Mapping[str, Sequence[Any] | Mapping[str, Any]], BeforeValidator(_grid)]

if TYPE_CHECKING:
    from cache.places import AnyPath

    Accepted = TypeVar("Accepted")
    Held = TypeVar("Held")

    class Converted(Generic[Accepted, Held]):
        """A field to which a caller passes an `Accepted`, and which holds it as a `Held`."""

        def __get__(self, instance: object, owner: object = None) -> Held: ...
        def __set__(self, instance: object, value: Accepted) -> None: ...

    class WithFolders(Protocol):
        """What `train` returns."""

        @property
        def folders(self) -> tuple[Path, ...]: ...

    class WithPath(Protocol):
        """An open store, or what `extract` returns."""

        @property
        def path(self) -> AnyPath: ...

    Duration = Converted[str | float, float]
    OptionalDuration = Converted[str | float | None, float | None]
    PathLike = Converted[str | Path, Path]
    OptionalPathLike = Converted[str | Path | None, Path | None]
    OptionalPng = Converted[str | Path | None, Path | None]
    OptionalPicture = Converted[str | Path | None, Path | None]
    FolderOrBucket = Converted[str | AnyPath, AnyPath]
    StorePlace = Converted[str | AnyPath | WithPath, AnyPath]
    Texts = Converted[str | Iterable[str], tuple[str, ...]]
    OptionalTexts = Converted[str | Iterable[str] | None, tuple[str, ...] | None]
    OptionalTextOrPath = Converted[str | Path | None, str | None]
    OptionalSeeds = Converted[int | Iterable[int] | None, tuple[int, ...] | None]
    OptionalFolds = Converted[int | Iterable[int] | None, tuple[int, ...] | None]
    OptionalNumbersOfFolds = Converted[int | Iterable[int] | None, int | tuple[int, ...] | None]
    RunFolders = Converted[str | Path | WithFolders | Iterable[str | Path | WithFolders], tuple[Path, ...]]
    Inputs = Converted[str | Path | Iterable[str | Path], tuple[str | Path, ...]]
else:
    Duration = Annotated[float, BeforeValidator(seconds)]
    OptionalDuration = Annotated[float | None, BeforeValidator(_seconds_or_none)]
    PathLike = Path
    OptionalPathLike = Path | None
    OptionalPng = Annotated[Path, _with_suffix(".png")] | None
    OptionalPicture = Annotated[Path, _with_suffix(*PICTURE_SUFFIXES)] | None
    FolderOrBucket = Annotated[Any, BeforeValidator(_place)]
    StorePlace = Annotated[Any, BeforeValidator(_place_of_store)]
    Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
    OptionalTexts = Texts | None
    OptionalTextOrPath = Annotated[str, BeforeValidator(_text)] | None
    OptionalSeeds = (
        Annotated[Sequence[Seed], Field(min_length=1, max_length=MOST_SEEDS), BeforeValidator(_seeds)] | None
    )
    _Fold = Annotated[int, Field(ge=1, le=MOST_FOLDS)]
    OptionalFolds = Annotated[tuple[_Fold, ...], Field(min_length=1), BeforeValidator(_seeds)] | None
    OptionalNumbersOfFolds = (
        Annotated[
            Annotated[int, Field(ge=0, le=MOST_FOLDS)] | Annotated[tuple[_Fold, ...], Field(min_length=1)],
            BeforeValidator(_numbers_of_folds),
        ]
        | None
    )
    RunFolders = Annotated[tuple[Path, ...], Field(min_length=1), BeforeValidator(_run_folders)]
    Inputs = Annotated[tuple[str | Path, ...], Field(min_length=1), BeforeValidator(_several)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Request:
    """What all requests have that write."""

    follow_links: bool = False
