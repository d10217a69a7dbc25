"""YuNet [Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"]: one pass of the network over one picture.

OpenCV runs it. The weights are those of OpenCV Zoo, in `weights/` with their licence (MIT).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline.errors import EncoderError
from pipeline.faces.face import Face

__all__ = ["YuNet"]

_WEIGHTS = Path(__file__).parent / "weights" / "face_detection_yunet_2023mar.onnx"
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
    def load(cls, threshold: float, overlap: float, weights: Path = _WEIGHTS) -> YuNet:
        """The network, from its file.

        Raises
        ------
        EncoderError
            If the file is missing, or is not the one that our recipe was measured with.
        """
        cv2.setNumThreads(1)  # pictures side by side, not one picture in pieces: faster, and the same on every machine
        return cls(_read(weights), threshold, overlap)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What may change the detections; without the version of OpenCV, which changes their rounding at most."""
        return {"network": "yunet-2023mar", "weights": _SHA256, "threshold": self.threshold, "overlap": self.overlap}

    def detect(self, picture: Image.Image, threshold: float | None = None) -> list[Face]:
        """The faces of some 20 to 300 pixels in a picture of mode RGB.

        Parameters
        ----------
        threshold : in [0, 1], in place of the network's own
        """
        network = self._network()
        network.setInputSize(picture.size)
        network.setScoreThreshold(self.threshold if threshold is None else threshold)
        _, faces = network.detect(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR))
        rows = [] if faces is None else faces[np.isfinite(faces).all(axis=1)]
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


def _read(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise EncoderError(
            f"{file}: expected the face detector's weights, found none ({error.strerror}). Install fer-stage again"
        ) from error
    if (digest := hashlib.sha256(data).hexdigest()) != _SHA256:
        raise EncoderError(
            f"{file}: expected the face detector's weights with sha256 {_SHA256}, found {digest}. "
            "Install fer-stage again"
        )
    return data
