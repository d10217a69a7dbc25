"""One module per public layout: what is on disk -> sample table. `LAYOUTS` is the registry."""

from __future__ import annotations

from typing import Any

from pipeline.datasets.layouts.afe import Afe
from pipeline.datasets.layouts.afew import Afew
from pipeline.datasets.layouts.affectnet import AffectNet
from pipeline.datasets.layouts.caer_s import CaerS
from pipeline.datasets.layouts.ck_plus import CkPlus
from pipeline.datasets.layouts.clips import Clips
from pipeline.datasets.layouts.crema_d import CremaD
from pipeline.datasets.layouts.csv_list import CsvList
from pipeline.datasets.layouts.dfew import Dfew
from pipeline.datasets.layouts.expw import Expw
from pipeline.datasets.layouts.fer2013 import Fer2013
from pipeline.datasets.layouts.ferbench import FerBench
from pipeline.datasets.layouts.ferplus import Ferplus
from pipeline.datasets.layouts.ferv39k import Ferv39k
from pipeline.datasets.layouts.folder import Folder
from pipeline.datasets.layouts.hf import HfCopy
from pipeline.datasets.layouts.jaffe import Jaffe
from pipeline.datasets.layouts.kdef import Kdef
from pipeline.datasets.layouts.mafw import Mafw
from pipeline.datasets.layouts.mead import Mead
from pipeline.datasets.layouts.mma import Mma
from pipeline.datasets.layouts.muxspace import Muxspace
from pipeline.datasets.layouts.oulu_casia import OuluCasia
from pipeline.datasets.layouts.own import is_own, own_layout, own_sha256
from pipeline.datasets.layouts.path_lists import PathLists
from pipeline.datasets.layouts.raf_ce import RafCe
from pipeline.datasets.layouts.raf_compound import RafCompound
from pipeline.datasets.layouts.raf_db import RafDb
from pipeline.datasets.layouts.raf_ml import RafMl
from pipeline.datasets.layouts.ravdess import Ravdess
from pipeline.datasets.layouts.sample import SampleFaces
from pipeline.datasets.layouts.sfew import Sfew
from pipeline.datasets.layouts.webdataset import WebDataset
from pipeline.datasets.reading.base import Layout
from pipeline.errors import ConfigError
from pipeline.suggestions import did_you_mean

__all__ = ["LAYOUTS", "find_layout", "is_layout", "layout_sha256"]

_LAYOUTS: tuple[Layout[Any], ...] = (
    SampleFaces(),
    Ferplus(),
    Muxspace(),
    RafDb(),
    RafCompound(),
    RafMl(),
    RafCe(),
    AffectNet(),
    Fer2013(),
    Sfew(),
    Mma(),
    FerBench(),
    CkPlus(),
    Jaffe(),
    Kdef(),
    OuluCasia(),
    Expw(),
    Afe(),
    CaerS(),
    Dfew(),
    Ferv39k(),
    Afew(),
    Mafw(),
    Ravdess(),
    CremaD(),
    Mead(),
    Folder(),
    CsvList(),
    PathLists(),
    Clips(),
    HfCopy(),
    WebDataset(),
)
LAYOUTS: dict[str, Layout[Any]] = {layout.name: layout for layout in _LAYOUTS}


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
