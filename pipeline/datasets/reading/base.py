"""What a layout is: a name, options, and a scan that turns files into samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pipeline.datasets.roots.files import Root, some
from pipeline.errors import ConfigError, DatasetError
from pipeline.suggestions import did_you_mean
from pipeline.tables.labels import ClassSet, class_set_names, expressions
from pipeline.tables.sample import Sample, Unit

__all__ = ["Layout", "LayoutOptions", "Scan", "not_this_layout", "parse_options"]


class LayoutOptions(BaseModel):
    """Options that every layout has. All of them change the table, so all of them are identity.

    `class_sets` are the values of `classes` that a layout has, its own default first.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    class_sets: ClassVar[tuple[ClassSet, ...]] = (7, 8)

    classes: ClassSet = Field(7, description="7 expressions, or 8 with contempt; with 7 its rows are left out")
    val_fraction: float = Field(
        0.1, ge=0, lt=1, description="share of the train split that becomes val where the dataset has no val split"
    )
    test_fraction: float = Field(
        0.2, ge=0, lt=1, description="share of the train split that becomes test where the dataset has no test split"
    )
    split_seed: int = Field(0, description="another seed carves another val and test split")

    @field_validator("classes", mode="before")
    @classmethod
    def _is_a_set_of_the_layout(cls, classes: Any) -> Any:
        if classes not in cls.class_sets:
            raise PydanticCustomError("class_set", f"Input should be {class_set_names(cls.class_sets)}")
        return classes

    @model_validator(mode="after")
    def _leaves_a_train_split(self) -> Self:
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError("val_fraction and test_fraction must leave something to train on: their sum is 1 or more")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that the table may hold."""
        return expressions(self.classes)


@dataclass(frozen=True)
class Scan:
    """The result of a scan: no image is read or decoded.

    `samples` may come in any order; one that the layout rejects carries its `reason`. `excluded` counts
    rows of the source that are no samples, per reason, and `excluded_paths` are their files. `release` names which form
    of the dataset this is. `shares` is how train and samples without a split are divided; empty if they are not.
    `unread_columns` are headers of a table that may hold something that was not read, `unread_files` counts files in
    class folders that are no images, per suffix. `repeated` counts rows that repeat a sample, per split and label; they
    are among `excluded`, too. `notes` are sentences for the user. Where `unit` is `clip`, each sample is a
    clip: its `path` is a folder of frames or a video file, and `index` makes a row of each of its frames;
    `stated_frames` are their numbers of frames by `id` as a list states them, which are compared with the disk, and
    `clip_images` the frames of clips whose images a table names one by one, in their order.
    """

    samples: tuple[Sample, ...]
    release: str = ""
    excluded: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    unread_columns: tuple[str, ...] = ()
    unread_files: Mapping[str, int] = field(default_factory=dict)
    excluded_paths: frozenset[str] = frozenset()
    repeated: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: Unit = "image"
    stated_frames: Mapping[str, int] = field(default_factory=dict)
    clip_images: Mapping[str, Sequence[str]] = field(default_factory=dict)


O_contra = TypeVar("O_contra", bound=LayoutOptions, contravariant=True)


class Layout(Protocol[O_contra]):
    """One way in which a dataset lies on disk."""

    @property
    def name(self) -> str:
        """As written in params.yaml and `--layout`."""

    @property
    def summary(self) -> str:
        """One line: the files that this layout reads."""

    @property
    def Options(self) -> type[LayoutOptions]:
        """What can be set; the class that `scan` takes an instance of."""

    def scan(self, root: Root, options: O_contra) -> Scan:
        """Find the samples.

        Raises
        ------
        DatasetError
            If the root does not hold this layout.
        LabelError
            If labels are unknown; all of them are named, with their counts.
        """


def parse_options(layout: Layout[Any], options: Mapping[str, Any]) -> LayoutOptions:
    """Checked options of `layout`.

    Raises
    ------
    ConfigError
        Naming every problem at once, with a suggestion for every unknown name.
    """
    try:
        return layout.Options(**options)
    except ValidationError as error:
        known = list(layout.Options.model_fields)
        problems = "; ".join(_problem(dict(entry), known) for entry in error.errors())
        raise ConfigError(f"options of layout {layout.name}: {problems}") from error


def _problem(entry: Mapping[str, Any], known: list[str]) -> str:
    name = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        return f"{name!r} is unknown. {did_you_mean(name, known)}"
    value = f", found {entry['input']!r}" if name else ""
    return f"{name}: {entry['msg']}{value}".removeprefix(": ")


def not_this_layout(root: Root, layout: Layout[Any]) -> DatasetError:
    """The error for a root that holds something else."""
    names = root.names()
    content = f"{len(names)} other files, first {some(names)}" if names else "no files at all"
    return DatasetError(
        f"{root.path}: expected the {layout.name} layout ({layout.summary}), found {content}. "
        "Check the root, or name another layout"
    )
