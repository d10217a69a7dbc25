"""What is known about AFEW."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts

__all__ = ["FACTS"]

_ORDER = "happiness sadness neutral anger surprise disgust fear"

FACTS = DatasetFacts(
    title="AFEW",
    content="clips of films, one of seven expressions each, in the versions of the EmotiW challenges of 2016 to 2018; "
    "aligned faces of 128 x 128 pixels or more come with them",
    access="from its authors, who ask for a signed agreement: Train_AFEW.zip, Val_AFEW.zip and archives of test clips",
    licence="For research by agreement with its authors: see the agreement that comes with the dataset.",
    reference="Dhall et al., Collecting Large, Richly Annotated Facial-Expression Databases from Movies, IEEE "
    "MultiMedia 2012",
    label_codes="folders of names: Happy, Sad, Neutral, Angry, Surprise, Disgust, Fear; the txt lists of Former-DFER "
    "number them in this order from 0, other programs in alphabetical order",
    counts=(
        PublishedCounts(
            "videos",
            labels={
                "train": class_counts(_ORDER, 150, 117, 144, 133, 74, 74, 81),
                "test": class_counts(_ORDER, 63, 61, 63, 64, 46, 40, 46),
            },
            source="the statistics of EmotiW 2016 in mcnDatasets; the test split here is the official Val",
        ),
        PublishedCounts(
            "faces that Former-DFER lists",
            labels={
                "train": class_counts(_ORDER, 150, 117, 142, 135, 74, 74, 81),
                "test": class_counts(_ORDER, 62, 61, 64, 63, 45, 40, 46),
            },
            source="counted in the public lists of Former-DFER; the test split here is the official Val",
        ),
        PublishedCounts(
            "faces that Emotion-FAN lists",
            labels={
                "train": class_counts(_ORDER, 149, 117, 143, 133, 74, 74, 81),
                "test": class_counts(_ORDER, 62, 61, 63, 64, 46, 40, 45),
            },
            source="counted in the public lists of Emotion-FAN; the test split here is the official Val",
        ),
    ),
    traps=(
        "Labels of the test clips are not public: papers report the validation clips, and choose on them, too.",
        "AlignedFaces_LBPTOP_Points/Faces has a folder for each video and none for the expressions: these are the "
        "folders of the videos.",
        "No face was found in some clips: lists have 381 of the 383 validation clips.",
        "In the frames that Former-DFER lists, two neutral train clips are in the folder Anger: 0_2_... among 0_3_....",
        "Programs number the labels in two orders, or in one of their own.",
    ),
    biases=("Actors in films; the clips of one film may be in several splits.",),
)
