"""Faces in pictures: where they are, which one is the labelled one, and the table of them."""

from pipeline.faces.detector import load_detector
from pipeline.faces.face import Box, Face, FaceDetector, Landmarks

__all__ = ["Box", "Face", "FaceDetector", "Landmarks", "load_detector"]
