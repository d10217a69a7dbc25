"""A description of a Parquet file of features in Croissant 1.0 (MLCommons), as plain data.

As that of a sample table it has nothing of the images, no root and no date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.datasets.croissant_parts import CONTEXT, CROISSANT, RESPONSIBLE_AI, TableFile, file_object, records_of
from pipeline.datasets.facts import DatasetFacts

__all__ = ["FeatureFacts", "feature_croissant"]

_FILE, _ROWS = "features", "rows"


@dataclass(frozen=True)
class FeatureFacts:
    """What features are, as their store has it.

    Parameters
    ----------
    dataset : its name
    classes : the expressions that rows may have
    encoder : identity of the encoder, plain JSON data
    output, view, row_shape : which of its outputs, of which variant of the image, and the shape of a row
    key : digest of everything that changes a feature
    note : what must be stated wherever a number made with them appears; else empty
    n_rows, n_without_feature : in the file; of these without a feature
    unit : `image`, or `clip`, whose frames rows are
    """

    dataset: str
    classes: Sequence[str]
    encoder: Mapping[str, Any]
    output: str
    view: int
    row_shape: Sequence[int]
    key: str
    note: str
    n_rows: int
    n_without_feature: int
    unit: str

    @property
    def row(self) -> str:
        return "frame of a clip" if self.unit == "clip" else "image"


def feature_croissant(features: FeatureFacts, file: TableFile, facts: DatasetFacts | None) -> dict[str, Any]:
    """The description of an exported file as a JSON-LD document.

    Parameters
    ----------
    facts : of the dataset; None where nothing is known: licence and biases are stated as unknown then
    """
    description = f"One row per {features.row}, with its feature."
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [CROISSANT, RESPONSIBLE_AI],
        "name": f"{features.dataset}-{features.output}",
        "description": _description(features, facts),
        "license": _licence(features, facts),
        **({"citeAs": facts.reference} if facts else {}),
        "rai:dataPreprocessingProtocol": [_encoder(features)],
        "rai:dataBiases": list(facts.biases if facts else ()) or ["Unknown: none are recorded for this dataset."],
        "rai:dataLimitations": [*([features.note] if features.note else []), *(facts.traps if facts else ())],
        "rai:personalSensitiveInformation": [
            "The features were computed from faces of people: comparing them can tell people apart. Names of files and "
            "of people are those that the dataset states."
        ],
        "distribution": [file_object(file, _FILE, description)],
        "recordSet": [records_of(file, _FILE, _ROWS, description, {features.output: _output(features)})],
    }


def _description(features: FeatureFacts, facts: DatasetFacts | None) -> str:
    of = f"{facts.title}: {facts.content}. " if facts else ""
    without = f", {features.n_without_feature:,} of them without a feature" if features.n_without_feature else ""
    return (
        f"{of}Features of {features.n_rows:,} {features.row.replace(' of a clip', '')}s{without}, with the labels "
        f"{', '.join(features.classes)}. It has no images. Key of the features: {features.key}."
    )


def _licence(features: FeatureFacts, facts: DatasetFacts | None) -> str:
    """What is known of the dataset's; that of the file itself is the user's to state."""
    known = facts.licence if facts else "Unknown: nothing that was indexed states the licence of this dataset."
    return f"Of the dataset {features.dataset}: {known} What follows for its features is not stated here."


def _encoder(features: FeatureFacts) -> str:
    encoder = features.encoder
    return (
        f"Each picture was encoded by {encoder.get('family')}:{encoder.get('architecture')} with the weights of sha256 "
        f"{encoder.get('weights')}, which were not trained further."
    )


def _output(features: FeatureFacts) -> str:
    shape = " x ".join(map(str, features.row_shape))
    what = "the plain image" if features.view == 0 else f"augmented view {features.view}"
    return (
        f"`{features.output}` of the encoder, of {what}: {shape} numbers, neither scaled nor normalised; null where "
        "there are none"
    )
