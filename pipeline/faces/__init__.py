"""Faces in pictures: where they are, which one is the labelled one, and the table of them.

`detector` has `load_detector`, and brings OpenCV, which commands that read tables of faces do not need.
"""

from pipeline.faces.face import Box, Face, FaceDetector, Landmarks

__all__ = ["Box", "Face", "FaceDetector", "Landmarks"]
