"""What is known about DFEW."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts

__all__ = ["FACTS"]

_ORDER = "happiness sadness neutral anger surprise disgust fear"

FACTS = DatasetFacts(
    title="DFEW",
    content="16,372 clips of films, each labelled by ten people; the lists have the 11,697 with one of seven "
    "expressions and a face that was found; each as a video, as its frames of aligned faces, and as 16 frames "
    "interpolated in time",
    access="on request to its authors, by an agreement signed at a university or institute",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Jiang et al., DFEW: A Large-Scale Database for Recognizing Dynamic Facial Expressions in the Wild, ACM "
    "Multimedia 2020",
    label_codes="1 happy, 2 sad, 3 neutral, 4 angry, 5 surprise, 6 disgust, 7 fear: they count from 1; the txt lists "
    "of Former-DFER and DFER-CLIP have the same order from 0",
    counts=(
        PublishedCounts(
            "single-labelled clips, fold 1 as test",
            labels={
                "train": class_counts(_ORDER, 1956, 1515, 2135, 1738, 1175, 116, 721),
                "test": class_counts(_ORDER, 489, 379, 534, 435, 294, 29, 181),
            },
            source="counted in the public lists of the five folds (Former-DFER, DFER-CLIP, MAE-DFER)",
        ),
    ),
    traps=(
        "Labels count from 1 in the csv lists, and from 0 in the txt lists of published programs.",
        "The lists name clips 1, 2, ..., the folders are 00001, 00002, ...",
        "12,059 clips have a single label; the lists of the folds have 11,697, as no face was found in the others.",
        "The test lists have 2,341, 2,341, 2,340, 2,339 and 2,336 clips: a mean over folds and a score of all clips "
        "together differ slightly, and papers report either.",
        "Frames of clip_224x224 have 256 x 256 pixels in many copies, which some rename to jpg_256.",
        "clip_224x224_16f holds frames that are interpolated in time, two faces one over the other.",
        "Numbers of frames in txt lists are padded to 16: some clips have fewer on disk.",
        "There is no validation list: many programs choose the best epoch on the test list.",
    ),
    biases=("Classes are imbalanced: 145 of 11,697 clips are disgust, 2,669 are neutral.", "Actors in films."),
)
