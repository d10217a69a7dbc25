"""Pictures, folders and videos -> the faces in them, with their expressions; and the trained heads that recognise them.

head_folder, saved       the files of a trained head, and the head that they hold; export writes it for elsewhere
inputs, lazy_images      which pictures and frames there are, read when they are needed
recognition, predictor   faces -> probabilities; pictures and videos -> predictions, each a `Prediction`
annotate                 predictions drawn into the pictures

`Predictor` is imported when it is first used: reading a saved head needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.predict.prediction import Prediction

if TYPE_CHECKING:
    from pipeline.predict.predictor import Predictor

__all__ = ["Prediction", "Predictor"]


def __getattr__(name: str) -> Any:
    if name != "Predictor":
        raise AttributeError(f"module 'pipeline.predict' has no attribute {name!r}")
    from pipeline.predict.predictor import Predictor

    return Predictor
