"""One module per public layout: what is on disk -> sample table. `LAYOUTS` is the registry."""

from __future__ import annotations

from typing import Any

from pipeline.datasets.layouts.affectnet import AffectNet
from pipeline.datasets.layouts.base import Layout
from pipeline.datasets.layouts.csv_list import CsvList
from pipeline.datasets.layouts.ferplus import Ferplus
from pipeline.datasets.layouts.folder import Folder
from pipeline.datasets.layouts.muxspace import Muxspace
from pipeline.datasets.layouts.raf_db import RafDb
from pipeline.datasets.layouts.sample import SampleFaces

__all__ = ["LAYOUTS"]

_ALL: tuple[Layout[Any], ...] = (SampleFaces(), Ferplus(), Muxspace(), RafDb(), AffectNet(), Folder(), CsvList())
LAYOUTS: dict[str, Layout[Any]] = {layout.name: layout for layout in _ALL}
