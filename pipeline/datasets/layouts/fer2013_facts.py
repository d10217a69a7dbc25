"""What is known of FER2013."""

from __future__ import annotations

from pipeline.datasets.facts import DatasetFacts, PublishedCounts, class_counts

__all__ = ["FACTS"]

_CLASSES = "anger disgust fear happiness sadness surprise neutral"  # in the order of the codes
_TRAINING = class_counts(_CLASSES, 3995, 436, 4097, 7215, 4830, 3171, 4965)
_PUBLIC_TEST = class_counts(_CLASSES, 467, 56, 496, 895, 653, 415, 607)
_PRIVATE_TEST = class_counts(_CLASSES, 491, 55, 528, 879, 594, 416, 626)

FACTS = DatasetFacts(
    title="FER2013",
    content="35,887 grey faces of 48 x 48 pixels from a web search, with one of seven expressions each",
    access="the challenge on Kaggle (fer2013.csv in its archive), and many copies as folders",
    licence="There is no formal licence; the pictures are from web searches.",
    reference="Goodfellow et al., Challenges in Representation Learning: A report on three machine learning contests, "
    "ICONIP 2013",
    label_codes="0 anger, 1 disgust, 2 fear, 3 happiness, 4 sadness, 5 surprise, 6 neutral in the csv; folders that a "
    "program has numbered are in alphabetical order, where 4 is neutral, 5 sadness and 6 surprise",
    counts=(
        PublishedCounts(
            "fer2013.csv or icml_face_data.csv",
            {"train": _TRAINING, "val": _PUBLIC_TEST, "test": _PRIVATE_TEST},
            source="counted by public readers; they sum to 28,709, 3,589 and 3,589",
        ),
        PublishedCounts(
            "Kaggle's train.csv",
            {"train": _TRAINING},
            source="the Training rows of fer2013.csv; the pictures of test.csv have no labels",
        ),
        PublishedCounts(
            "folders train/ and test/ (msambare), PublicTest and PrivateTest merged",
            {"train": _TRAINING, "test": {name: n + _PRIVATE_TEST[name] for name, n in _PUBLIC_TEST.items()}},
            source="7,178 test images, the sum of both test sets",
        ),
        PublishedCounts(
            "folders images/train/ and images/validation/ (jonathanoheix)",
            {
                "train": class_counts(_CLASSES, 3993, 436, 4103, 7164, 4938, 3205, 4982),
                "val": class_counts(_CLASSES, 960, 111, 1018, 1825, 1139, 797, 1216),
            },
            source="counted by public readers: 28,821 and 7,066 images, divided otherwise than in the challenge",
        ),
    ),
    traps=(
        "In copies with 7,178 test images PublicTest and PrivateTest are merged, and PrivateTest cannot be recovered.",
        "Two public copies are divided differently: 568 of 7,178 test pictures of one are in the other's train set.",
        "Headers of icml_face_data.csv begin with spaces, and its columns have another order.",
        "Equal pictures are in several splits, and some pictures are no faces.",
        "FERPlus is these pictures with other labels, and MMA holds all of them: neither is an unseen domain.",
        "A copy that is grouped by class cannot be joined with the votes of FERPlus by row.",
    ),
    biases=(
        "Classes are skewed: of 35,887 images 8,989 are happiness and 547 disgust.",
        "Labels come from the words of a search, and many are wrong: FERPlus labelled the pictures again.",
    ),
)
