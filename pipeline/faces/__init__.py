"""Faces in pictures: where they are, and each as an upright square."""

from pipeline.faces.detector import load_detector
from pipeline.faces.face import Box, Face, FaceDetector, Landmarks
from pipeline.images.alignment import Alignment

__all__ = ["Alignment", "Box", "Face", "FaceDetector", "Landmarks", "load_detector"]
