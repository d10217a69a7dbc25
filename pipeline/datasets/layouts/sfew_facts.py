"""What is known of SFEW 2.0."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts

__all__ = ["FACTS"]

_CLASSES = "surprise fear disgust happiness sadness anger neutral"

FACTS = DatasetFacts(
    title="SFEW 2.0",
    content="single pictures of films (frames of AFEW), one of seven expressions each; aligned faces of 143 x 181 "
    "pixels, some of them broken or blurred",
    access="from its authors, who ask for a signed agreement: Train_Aligned_Faces.zip, Val_Aligned_Faces_new.zip, "
    "Test_Aligned_Faces.zip",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Dhall et al., Video and Image based Emotion Recognition Challenges in the Wild: EmotiW 2015, ICMI 2015",
    label_codes="folders of names: Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise. Lists of others number them in "
    "alphabetical order or, in one public file of arrays, in that of FER2013",
    counts=(
        PublishedCounts(
            "aligned faces",
            {
                "train": class_counts(_CLASSES, 94, 78, 52, 184, 161, 178, 144),
                "test": class_counts(_CLASSES, 56, 46, 23, 72, 73, 77, 84),
            },
            source="counted by public readers; the test split here is Val: 891 train, 431 val",
        ),
        PublishedCounts(
            "full release",
            totals={"train": 958, "test": 436},
            source="the test split here is Val; 372 test pictures have no public labels",
        ),
    ),
    traps=(
        "Val is nested twice: Val/Val_Aligned_Faces_new/Val_Aligned_Faces/<expression>.",
        "Test labels are not public: papers test on Val (431 aligned faces), which is the test split here.",
        "The SFEW column of CAFE for models trained elsewhere fits 891 pictures, the train split; only its model "
        "trained on SFEW fits 431. State the split with every number.",
        "The test lists of FERBench hold the 431 aligned faces of Val.",
        "Faces are not square: resizing them to a square changes their shape, a centre crop cuts foreheads and chins.",
    ),
    biases=("It is small: 52 train and 23 val pictures of disgust. The faces are those of actors in films.",),
)
