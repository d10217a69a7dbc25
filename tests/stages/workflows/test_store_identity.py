"""What makes a store the same one. The digests are those of schema 1: they may never change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cache.columns import column_digests
from pipeline.encoders import EncoderSpec, load_encoder
from pipeline.extraction import outputs_of
from pipeline.tables.samples import Sample, SampleTable, TableInfo
from stages.params import ExtractParams
from stages.workflows.store_identity import columns_of, image_rows_of, store_key

INFO = TableInfo("faces", "folder", "gone", ("fear", "anger"))


def sample(i: int, box: tuple[int, int, int, int] | None = None) -> Sample:
    """Sample 3 is rejected; samples 0, 6 are in train."""
    return Sample(
        id=f"é/{i}.png",
        path=f"é/{i}.png",
        label=("fear", "anger")[i % 2],
        split=("train", "val", "test")[i % 3],
        sha256="" if i == 3 else f"{i:064x}",
        reason="unreadable" if i == 3 else "",
        subject=None if i == 4 else f"p{i // 2}",
        clip="c" if i == 1 else None,
        frame=None if i == 2 else i,
        fold=i % 2,
        box=box,
    )


PLAIN = SampleTable.from_samples([sample(i) for i in range(9)], INFO)
BOXED = SampleTable.from_samples([sample(i, None if i == 5 else (i, i, 10, 12)) for i in range(9)], INFO)


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (PLAIN, "3d7c43e783fba75980a87933e2397940d7bdf4e1e0ddf3398071c8fe34cdc1cf"),
        (BOXED, "8ce05cc412db81c05641eca582b19b9a808e5aa64ff3f0499a622e7db9f77266"),
    ],
    ids=["plain", "boxed"],
)
def test_a_key_stays_what_it_was(table: SampleTable, digest: str) -> None:
    encoder, params = load_encoder(EncoderSpec.parse("untrained"), "cpu", "eager"), ExtractParams(views=3)
    key = store_key(table, encoder, outputs_of(encoder, ["pooled"], "float16", 0), params)
    assert key.samples == digest
    assert key.views["rows"] == "0be4032baca3df6a97fd04e1a86f112edd9c21462b12a068bebd5f6925f18e28"  # of [0, 6]


def test_the_columns_digests_stay_what_they_were() -> None:
    digests = column_digests(columns_of(BOXED, {1: "bad"}))
    assert {name: digest[:12] for name, digest in digests.items()} == {
        "id": "fde4d92781f3",
        "path": "fde4d92781f3",
        "label": "aceb84f3eac9",
        "split": "01ae17958799",
        "status": "b92aafdf27b3",
        "reason": "a8705bc6f80d",
        "sha256": "00b109aa7156",
        "subject": "8fb03b0935ba",
        "clip": "15783122cf63",
        "frame": "4d685a29b7df",
        "fold": "aaf69d25a84a",
        "box": "1f45de010208",
    }


def test_every_usable_row_is_an_image_and_those_of_train_have_views() -> None:
    images = image_rows_of(BOXED, 3)
    assert [image.row for image in images] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert [image.row for image in images if image.views == (0, 1, 2)] == [0, 6]
    assert [image.box for image in images][3:5] == [(4, 4, 10, 12), None]
    assert {image.views for image in images if image.row not in (0, 6)} == {(0,)}


def test_soft_labels_are_a_column_of_text_that_reads_back_to_the_same_numbers() -> None:
    shares = [(1 / 3, 2 / 3), None, (0.1, 0.9)]
    samples = [replace(sample(i), distribution=shares[i % 3]) for i in range(9)]
    columns = columns_of(SampleTable.from_samples(samples, INFO), {})
    texts = columns["distribution"][:3].tolist()
    assert texts == ["0.3333333333333333,0.6666666666666666", "", "0.1,0.9"]
    assert tuple(map(float, texts[0].split(","))) == shares[0]
    assert {name: digest for name, digest in column_digests(columns).items() if name != "distribution"} == (
        column_digests(columns_of(PLAIN, {}))
    )
