"""The one training loop, and what a method brings to it.

rows        a split in RAM, output by output, and the batches drawn from it
learner     what is trained and its loss terms; the recipe says how
schedules   learning rates
engines     one learner alone, or several of one architecture as one batch
loop        epochs, selection on the validation split
"""

from pipeline.training.learner import Batch, History, Learner, Recipe, Trained
from pipeline.training.loop import best_epoch, train, train_together, validate
from pipeline.training.rows import Rows, TrainingData
from pipeline.training.schedules import exponential_decay, warmup_cosine

__all__ = [
    "Batch",
    "History",
    "Learner",
    "Recipe",
    "Rows",
    "Trained",
    "TrainingData",
    "best_epoch",
    "exponential_decay",
    "train",
    "train_together",
    "validate",
    "warmup_cosine",
]
