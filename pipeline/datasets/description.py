"""What a layout reads, its options, and what is known of its dataset, for `fer-stage datasets` and docs/datasets."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.published import facts_of
from pipeline.datasets.reading.base import Layout, LayoutOptions

__all__ = ["LayoutDescription", "OptionDescription", "describe_layout"]


@dataclass(frozen=True)
class OptionDescription:
    """One option of a layout.

    Parameters
    ----------
    default : None also where there is none
    choices : all values that are allowed, where they are few; else empty
    is_shared : whether every layout has it, with the same meaning
    """

    name: str
    default: Any
    choices: tuple[Any, ...]
    description: str
    is_shared: bool


@dataclass(frozen=True)
class LayoutDescription:
    """One layout, and its dataset if it is that of one.

    Parameters
    ----------
    reads : the files that identify the layout, in a line
    forms : of the dataset that are read, in sentences
    facts : None for layouts that many datasets have, as class folders
    """

    layout: str
    reads: str
    forms: str
    options: tuple[OptionDescription, ...]
    facts: DatasetFacts | None

    def as_json(self) -> dict[str, Any]:
        """Plain data; the facts are among the other entries."""
        about = {"layout": self.layout, "reads": self.reads, "forms": self.forms}
        options = {option.name: _option_json(option) for option in self.options}
        return about | {"options": options} | (_facts_json(self.facts) if self.facts else {})

    def summary(self) -> dict[str, Any]:
        """The same in texts and lists of texts, for people."""
        about = {"layout": self.layout, "reads": self.reads, "forms": self.forms.replace("\n\n", " ")}
        options = {f"option {option.name}": _option_text(option) for option in self.options}
        if self.facts is None:
            return about | options
        named = {name: text for name, text in asdict(self.facts).items() if isinstance(text, str)}
        lists = {"counts": map(_counts_text, self.facts.counts), "trap": self.facts.traps, "bias": self.facts.biases}
        numbered = {f"{name} {i}": text for name, texts in lists.items() for i, text in enumerate(texts, start=1)}
        return named | about | options | numbered


def describe_layout(layout: Layout[Any]) -> LayoutDescription:
    """What can be known of a layout without a dataset on disk."""
    return LayoutDescription(
        layout.name,
        layout.summary,
        "\n\n".join(" ".join(text.split()) for text in (inspect.getdoc(type(layout)) or "").split("\n\n")),
        tuple(_described(name, layout.Options) for name in layout.Options.model_fields),
        facts_of(layout),
    )


def _described(name: str, options: type[LayoutOptions]) -> OptionDescription:
    info = options.model_fields[name]
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    if name == "classes":
        choices = options.class_sets
    default = None if info.is_required() or info.default is PydanticUndefined else info.default
    shared = LayoutOptions.model_fields.get(name)
    is_shared = shared is not None and shared.description == info.description
    return OptionDescription(name, default, choices, info.description or "", is_shared)


def _option_json(option: OptionDescription) -> dict[str, Any]:
    return {"default": option.default, "choices": list(option.choices), "description": option.description}


def _option_text(option: OptionDescription) -> str:
    choices = f"; one of {', '.join(map(str, option.choices))}" if option.choices else ""
    return f"{option.description} (default {option.default}{choices})"


def _facts_json(facts: DatasetFacts) -> dict[str, Any]:
    return asdict(facts) | {"traps": list(facts.traps), "biases": list(facts.biases)}


def _counts_text(counts: PublishedCounts) -> str:
    parts = [
        f"{split or 'no split'} {sum(labels.values()):,} ({', '.join(f'{name} {n:,}' for name, n in labels.items())})"
        for split, labels in counts.labels.items()
    ]
    parts += [f"{split or 'no split'} {n:,}" for split, n in counts.totals.items()]
    where = ", ".join(f"{name}={value}" for name, value in counts.options.items())
    return f"{counts.release}: " + "; ".join([*parts, *([f"with {where}"] if where else []), counts.source])
