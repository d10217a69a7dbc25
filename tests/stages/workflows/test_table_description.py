"""The description beside a sample table: valid Croissant, true to the table, and nothing of the images in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from trees import TREES, pack

import stages
from pipeline.tables.samples import SampleTable
from stages.cli import run

pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: pip install '.[test]'")
# rdflib, which mlcroissant parses with, uses a class of its own that it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

FerStage = Callable[..., Any]


def indexed(name: str, folder: Path, **options: Any) -> tuple[SampleTable, Path, dict[str, Any]]:
    """A tree's table, its file and the description."""
    tree = TREES[name]
    root = pack(tree.files, folder, "folder")
    options, tables = {**tree.options, **options}, folder / "tables"
    result = stages.index("faces", layout=tree.layout, root=root, options=options, tables=tables, quiet=True)
    return result.table, result.path, json.loads(result.description.read_text("utf-8"))


def checked(path: Path) -> Any:
    """The description as mlcroissant reads it; it raises where the description is not valid."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=path)
    assert not dataset.metadata.ctx.issues.errors
    assert {warning.split('"')[1].rpartition("/")[2] for warning in dataset.metadata.ctx.issues.warnings} <= {
        "citeAs",  # of datasets of which nothing is known
        "datePublished",
        "version",
    }
    return dataset


@pytest.mark.parametrize("name", TREES)
def test_descriptions_are_valid_croissant(name: str, tmp_path: Path) -> None:
    table, path, _ = indexed(name, tmp_path)
    dataset = checked(path.with_suffix(".croissant.json"))
    assert str(dataset.metadata.ctx.conforms_to.value).endswith("/croissant/1.0")
    (records,) = (found for found in dataset.metadata.record_sets if found.id == "samples")
    assert [field.name for field in records.fields] == pq.read_schema(path).names
    assert len(table.units) == sum(row["counts/usable"] + row["counts/rejected"] for row in dataset.records("counts"))


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # of pandas, by mlcroissant
def test_mlcroissant_reads_the_rows_of_the_table_through_it(tmp_path: Path) -> None:
    """It compares the sha256 of the file, and has every column."""
    table, path, _ = indexed("ferplus", tmp_path)
    rows = list(checked(path.with_suffix(".croissant.json")).records("samples"))
    assert [row["samples/id"].decode() for row in rows] == table.frame["id"].tolist()
    assert [tuple(row["samples/votes"]) for row in rows] == [tuple(votes) for votes in table.frame["votes"]]


def test_the_digest_and_the_counts_are_those_of_the_table(tmp_path: Path) -> None:
    table, path, described = indexed("raf_official", tmp_path)
    (file,) = described["distribution"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file["contentUrl"] == path.name
    counts = {(row["counts/split"], row["counts/label"]): row for row in described["recordSet"][1]["data"]}
    usable = table.usable.groupby(["split", "label"]).size().to_dict()
    assert {pair: row["counts/usable"] for pair, row in counts.items() if row["counts/usable"]} == usable


def test_it_states_licence_label_rule_biases_and_counts(tmp_path: Path) -> None:
    _, _, described = indexed("ferplus", tmp_path, rule="argmax")
    assert described["license"].startswith("Votes and code are under the MIT licence")
    assert "rule=argmax" in described["rai:dataAnnotationProtocol"]
    assert "no image name" in described["rai:dataAnnotationProtocol"]
    assert any("skewed" in bias for bias in described["rai:dataBiases"])
    assert any("Counts differ from those published" in text for text in described["rai:dataLimitations"])


def test_of_a_dataset_of_ones_own_the_licence_is_unknown(tmp_path: Path) -> None:
    _, path, described = indexed("folder_flat", tmp_path)
    checked(path.with_suffix(".croissant.json"))
    assert described["license"].startswith("Unknown")
    assert described["rai:dataBiases"] == ["Unknown: none are recorded for this dataset."]
    assert "citeAs" not in described


@pytest.mark.parametrize("name", TREES)
def test_no_root_image_id_or_person_is_in_it(name: str, tmp_path: Path) -> None:
    table, path, _ = indexed(name, tmp_path)
    text = path.with_suffix(".croissant.json").read_text("utf-8")
    assert str(tmp_path) not in text
    frame = table.frame
    values = {*frame["sha256"], *frame["path"], *(frame["subject"].dropna() if "subject" in frame.columns else ())}
    assert [value for value in values if len(value) > 3 and f'"{value}"' in text] == []
    assert [value for value in frame["sha256"] if value and value in text] == []


def test_an_option_with_an_absolute_path_is_named_by_its_file(tmp_path: Path) -> None:
    from pipeline.datasets.croissant import TableFile, croissant
    from pipeline.datasets.published import compare_with_published
    from pipeline.tables.samples import Sample, TableInfo

    info = TableInfo(
        "faces", "/home/me/my_layout.py:Mine", "/home/me/faces", ("fear",), options={"labels": "/home/me/noisy.txt"}
    )
    sample = Sample("a", "a.png", "fear", "train", reason="/home/me/faces/a.png is damaged")
    table = SampleTable.from_samples([sample], info)
    file = TableFile("faces.parquet", "0" * 64, 1, table.to_arrow().schema)
    described = json.dumps(croissant(table, file, None, compare_with_published(table, None)))
    assert "/home" not in described
    assert "labels=noisy.txt" in described
    assert "ROOT/a.png is damaged 1" in described


def test_the_same_table_has_the_same_description(tmp_path: Path) -> None:
    _, path, _ = indexed("ferplus", tmp_path)
    before = path.with_suffix(".croissant.json").read_bytes()
    stages.index("faces", layout="ferplus", root=tmp_path / "root.folder", tables=tmp_path / "tables", quiet=True)
    assert path.with_suffix(".croissant.json").read_bytes() == before


def test_a_dry_run_writes_none_and_extract_writes_it(empty: Path) -> None:
    root = pack(TREES["folder_flat"].files, empty, "folder")
    source = ["--dataset", "faces", "--layout", "folder", "--root", str(root)]
    assert run(["index", *source, "--dry-run"]) == 0
    assert not (empty / "tables").exists()
    assert run(["extract", *source, "--encoder", "untrained", "--decoders", "1", "--max-rejected", "1"]) == 0
    described = json.loads((empty / "tables" / "faces.croissant.json").read_text("utf-8"))
    assert (
        described["distribution"][0]["sha256"]
        == hashlib.sha256((empty / "tables" / "faces.parquet").read_bytes()).hexdigest()
    )
