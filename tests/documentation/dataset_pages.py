"""The pages of docs/datasets, made of what the readers state; `make pages` runs this to write them.

Only the part between the marks is generated: text before and after it is written by hand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.datasets.description import LayoutDescription, OptionDescription, describe_layout
from pipeline.datasets.facts import DatasetFacts, PublishedCounts
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.reading.clips import ClipOptions
from pipeline.tables.labels import EXPRESSIONS
from stages.recipes import recipe_names

__all__ = ["PAGES", "REAL_PACKS", "generated", "missing_pages", "with_facts"]

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "datasets"
BEGIN = "<!-- Written by `make pages` from the facts of the reader: change them, not this part. -->"
END = "<!-- End of what `make pages` writes. -->"
_BELOW = (
    "Counts are those of the first release of each page, which may have several. Small trees are folders and archives "
    "that the tests write in the layouts of the dataset, traps included; the dataset itself was not at hand."
)
# Layout -> the file of real pictures that tests marked real_data read.
REAL_PACKS = {"ferplus": "fer2013.tar.gz", "muxspace": "muxspace.tar.gz"}


def with_facts() -> dict[str, DatasetFacts]:
    """Layout -> what is known of its dataset, for the layouts of one dataset."""
    described = {name: describe_layout(layout).facts for name, layout in LAYOUTS.items()}
    return {name: facts for name, facts in described.items() if facts}


def missing_pages() -> list[str]:
    """Layouts of a dataset that have no page."""
    return [name for name in with_facts() if not (PAGES / f"{name}.md").is_file()]


def generated(page: Path) -> str:
    """The text of a page as it must be: its generated part replaced, all else as it is."""
    block = f"{BEGIN}\n\n{''.join(_overview() if page.stem == 'README' else _dataset(page.stem))}{END}\n"
    if not page.exists():
        return f"# {with_facts()[page.stem].title}\n\n{block}"
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    after = rest.partition(f"{END}\n")[2]
    return before + block + after if begin else f"{text.rstrip()}\n\n{block}"


def _dataset(name: str) -> Iterator[str]:
    described = describe_layout(LAYOUTS[name])
    facts = described.facts
    assert facts
    yield _wrapped(_sentence(facts.content))
    yield _table(
        ("", ""),
        [
            ("layout", f"`{name}`: {_literal(described.reads)}"),
            ("how to get it", facts.access),
            ("licence", facts.licence),
            ("introduced by", facts.reference),
            ("tested on", _tested_on(name)),
            ("recipes", _recipes(name)),
        ],
    )
    yield "## What is read\n\n"
    yield from (_wrapped(_literal(text)) for text in described.forms.split("\n\n"))
    yield from _options(described)
    yield f"## Labels\n\n{_wrapped(_sentence(facts.label_codes))}"
    yield "## Published counts\n\n"
    if not facts.counts:
        yield "None are known.\n\n"
    yield from (text for alike in _alike(facts.counts) for text in _counts(alike, _units_of(name)))
    yield from _list("Traps", facts.traps)
    yield from _list("Known biases", facts.biases)


def _options(described: LayoutDescription) -> Iterator[str]:
    own = [option for option in described.options if not option.is_shared]
    if own:
        yield _option_table(own)
    shared = ", ".join(f"`{option.name}`" for option in described.options if option.is_shared)
    yield _wrapped(
        f"{'Also' if own else 'Options:'} {shared}, which [every layout has](README.md#options-of-every-layout)."
    )


def _option_table(options: Iterable[OptionDescription]) -> str:
    rows = [(f"`{option.name}`", f"`{_written(option.default)}`", option.description) for option in options]
    return _table(("option", "default", "meaning"), rows)


def _alike(published: Iterable[PublishedCounts]) -> list[list[PublishedCounts]]:
    """Counts of one release that hold under several options, together."""
    groups: dict[str, list[PublishedCounts]] = {}
    for counts in published:
        groups.setdefault(repr((counts.release, counts.labels, counts.totals, counts.source)), []).append(counts)
    return list(groups.values())


def _units_of(layout: str) -> str:
    return "clips" if issubclass(LAYOUTS[layout].Options, ClipOptions) else "images"


def _counts(alike: list[PublishedCounts], units: str) -> Iterator[str]:
    counts = alike[0]
    options = ", or ".join(filter(None, map(_options_of, alike)))
    of_options = f", with {options}" if options else ""
    yield _wrapped(f"**{counts.release}**{of_options}. Source: {counts.source}.")
    splits = list(dict.fromkeys((*counts.labels, *counts.totals)))
    labels = dict.fromkeys(label for numbers in counts.labels.values() for label in numbers)
    known = [
        name for name in (*EXPRESSIONS, *(label for label in labels if label not in EXPRESSIONS)) if name in labels
    ]
    rows = [(label, *(_number(counts.labels.get(split, {}).get(label)) for split in splits)) for label in known]
    yield _table(
        ("", *(split or units for split in splits)),
        [*rows, ("all", *(_number(_total(counts, split)) for split in splits))],
    )


def _options_of(counts: PublishedCounts) -> str:
    return " and ".join(f"`{name}: {_written(value)}`" for name, value in counts.options.items())


def _total(counts: PublishedCounts, split: str) -> int:
    return sum(counts.labels[split].values()) if split in counts.labels else counts.totals[split]


def _list(title: str, texts: Iterable[str]) -> Iterator[str]:
    if texts:
        items = "".join(textwrap.fill(text, 120, initial_indent="- ", subsequent_indent="  ") + "\n" for text in texts)
        yield f"## {title}\n\n{items}\n"


def _overview() -> Iterator[str]:
    yield "## Datasets\n\n"
    header = ("dataset", "layout", "classes", "images or clips", "splits", "licence", "tested on")
    yield _table(header, [_overview_row(name, facts) for name, facts in with_facts().items()])
    yield _wrapped(_BELOW) + "## Layouts of many datasets\n\n"
    others = [describe_layout(layout) for name, layout in LAYOUTS.items() if name not in with_facts()]
    yield _table(
        ("layout", "what it reads"), [(_linked(one.layout, f"`{one.layout}`"), _literal(one.reads)) for one in others]
    )
    shared = next(iter(with_facts()))
    options = [option for option in describe_layout(LAYOUTS[shared]).options if option.is_shared]
    yield f"## Options of every layout\n\n{_option_table(options)}"


def _overview_row(name: str, facts: DatasetFacts) -> tuple[str, ...]:
    first = facts.counts[0] if facts.counts else PublishedCounts("unknown")
    splits = list(dict.fromkeys((*first.labels, *first.totals)))
    totals = {split: _total(first, split) for split in splits}
    return (
        _linked(name, facts.title),
        f"`{name}`",
        str(len({label for labels in first.labels.values() for label in labels}) or len(LAYOUTS[name].Options().names)),
        f"{sum(totals.values()):,}" if totals else "unknown",
        ", ".join(f"{split} {n:,}" for split, n in totals.items() if split) or ("none" if totals else "unknown"),
        facts.licence,
        _pictures(name),
    )


def _linked(name: str, text: str) -> str:
    """A link to the page of a layout, if it has one or is going to."""
    return f"[{text}]({name}.md)" if name in with_facts() or (PAGES / f"{name}.md").is_file() else text


def _tested_on(name: str) -> str:
    if name in REAL_PACKS:
        return "its real pictures, and trees that the tests write"
    return "only small trees that the tests write in this layout: the dataset itself was not at hand"


def _pictures(name: str) -> str:
    return "its pictures" if name in REAL_PACKS else "small trees"


def _recipes(name: str) -> str:
    names = [recipe for recipe in recipe_names() if f"{recipe.split('/')[1]}-".startswith(f"{name}-")]
    if not names:
        return "none trains on it (`fer-stage recipes`)"
    return ", ".join(f"`{recipe}`" for recipe in names) + " (`fer-stage recipes`)"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines) + "\n"


def _literal(text: str) -> str:
    """Text in which `*` and `<` outside of code are no markup."""
    parts = text.split("`")
    return "`".join(part if i % 2 else re.sub(r"([*<])", r"\\\1", part) for i, part in enumerate(parts))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _number(n: int | None) -> str:
    return "" if n is None else f"{n:,}"


def _written(value: object) -> str:
    if value == "":
        return '""'
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def main() -> None:
    """Write every page whose generated part is not as it must be."""
    for page in (PAGES / "README.md", *(PAGES / f"{name}.md" for name in with_facts())):
        text = generated(page)
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")
            print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
