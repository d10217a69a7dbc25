"""One module per public layout: what is on disk -> sample table. `LAYOUTS` is the registry."""

from __future__ import annotations

from typing import Any

from pipeline.datasets.affectnet import AffectNet
from pipeline.datasets.base import Layout
from pipeline.datasets.csv_list import CsvList
from pipeline.datasets.ferplus import Ferplus
from pipeline.datasets.folder import Folder
from pipeline.datasets.muxspace import Muxspace
from pipeline.datasets.raf_db import RafDb
from pipeline.datasets.sample_layout import SampleFaces

__all__ = ["LAYOUTS"]

_ALL: tuple[Layout[Any], ...] = (SampleFaces(), Ferplus(), Muxspace(), RafDb(), AffectNet(), Folder(), CsvList())
LAYOUTS: dict[str, Layout[Any]] = {layout.name: layout for layout in _ALL}
