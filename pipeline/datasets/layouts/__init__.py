"""One module per public layout: what is on disk -> sample table. `LAYOUTS` is the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

from pipeline.datasets.layouts.own import is_own, own_layout, own_sha256
from pipeline.datasets.reading.base import Layout
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean

__all__ = ["LAYOUTS", "find_layout", "is_layout", "layout_sha256"]


class _Layouts(MutableMapping[str, Layout[Any]]):
    """Layouts by name. The module of one is imported when it is first needed: a command reads some of them.

    Parameters
    ----------
    places : name -> MODULE.CLASS below this package
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._entries: dict[str, str | Layout[Any]] = dict(places)

    def __getitem__(self, name: str) -> Layout[Any]:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, of_class = entry.partition(".")
            entry = self._entries[name] = getattr(import_module(f"{__name__}.{module}"), of_class)()
        return entry

    def __setitem__(self, name: str, layout: Layout[Any]) -> None:
        self._entries[name] = layout

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __contains__(self, name: object) -> bool:  # without an import, which that of a mapping would make
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


LAYOUTS = _Layouts(
    {
        "sample": "sample.SampleFaces",
        "ferplus": "ferplus.Ferplus",
        "muxspace": "muxspace.Muxspace",
        "raf-db": "raf_db.RafDb",
        "raf-db-compound": "raf_compound.RafCompound",
        "raf-ml": "raf_ml.RafMl",
        "raf-ce": "raf_ce.RafCe",
        "affectnet": "affectnet.AffectNet",
        "fer2013": "fer2013.Fer2013",
        "sfew": "sfew.Sfew",
        "mma": "mma.Mma",
        "ferbench": "ferbench.FerBench",
        "ck-plus": "ck_plus.CkPlus",
        "jaffe": "jaffe.Jaffe",
        "kdef": "kdef.Kdef",
        "oulu-casia": "oulu_casia.OuluCasia",
        "expw": "expw.Expw",
        "afe": "afe.Afe",
        "caer-s": "caer_s.CaerS",
        "dfew": "dfew.Dfew",
        "ferv39k": "ferv39k.Ferv39k",
        "afew": "afew.Afew",
        "mafw": "mafw.Mafw",
        "ravdess": "ravdess.Ravdess",
        "crema-d": "crema_d.CremaD",
        "mead": "mead.Mead",
        "folder": "folder.Folder",
        "csv": "csv_list.CsvList",
        "list": "path_lists.PathLists",
        "clips": "clips.Clips",
        "hf": "hf.HfCopy",
        "webdataset": "webdataset.WebDataset",
    }
)


def is_layout(name: str) -> bool:
    """Whether a layout has this name, or it may be one of one's own; no code is run."""
    return name in LAYOUTS or is_own(name)


def find_layout(name: str) -> Layout[Any]:
    """The layout of a name; FILE.py:NAME, and the entry point of a package, are run.

    Raises
    ------
    ConfigError
        If there is no such layout, or its code is none.
    """
    if name in LAYOUTS:
        return LAYOUTS[name]
    if is_own(name):
        return own_layout(name)
    hint = did_you_mean(name, LAYOUTS, otherwise="")
    raise ConfigError(f"unknown layout {name!r}. {hint}{hint and ' '}Known: {', '.join(LAYOUTS)}")


def layout_sha256(name: str) -> str:
    """Of the file of a layout of one's own; empty for those of the package."""
    return "" if name in LAYOUTS or not is_own(name) else own_sha256(name)
