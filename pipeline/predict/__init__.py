"""Pictures, folders and videos -> the faces in them, with their expressions."""

from pipeline.predict.prediction import Prediction
from pipeline.predict.predictor import Predictor

__all__ = ["Prediction", "Predictor"]
