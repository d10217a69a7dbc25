"""`train --fold` and `--folds` on one store, `evaluate` of the heads: CK+ with folds of its own, a table without."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stages
from cache import open_store
from pipeline.tables.fold import Fold
from pipeline.tables.samples import SampleTable
from stages.cli import run
from stages.errors import ParamsError, StageError
from stages.remedies import as_commands
from stages.seeds import parse_folds
from stages.workflows.folds import StoreFolds
from stages.workflows.tables import write_table

FerStage = Callable[..., Any]
TRAIN = ("train", "--method", "linear-probe", "--dataset", "ck")
RUNS = Path("runs/untrained/linear-probe/ck")
CODES = {"anger": 1, "happiness": 5, "surprise": 7}
N_SUBJECTS = 12


def picture(seed: int, shade: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 60, (24, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise + np.uint8(shade)).save(file, "png")
    return file.getvalue()


def write_ck_plus(root: Path) -> None:
    """Sequences of 3 frames, one of each expression, of 12 people; folds are dealt out by subject."""
    for subject in range(N_SUBJECTS):
        for take, code in enumerate(CODES.values(), start=1):
            place, name = f"S{subject:03d}/{take:03d}", f"S{subject:03d}_{take:03d}"
            frames, labels = root / "cohn-kanade-images" / place, root / "Emotion" / place
            frames.mkdir(parents=True)
            labels.mkdir(parents=True)
            for frame in (1, 2, 3):
                shade = 60 * take if frame == 3 else 0
                (frames / f"{name}_{frame:08d}.png").write_bytes(picture(100 * subject + 10 * take + frame, shade))
            (labels / f"{name}_00000003_emotion.txt").write_text(f"   {code}.0000000e+00\n")


@pytest.fixture(scope="session")
def ck_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CK+ with three folds of its own, indexed and extracted."""
    folder = tmp_path_factory.mktemp("folds")
    write_ck_plus(folder / "ck")
    (folder / "params.yaml").write_text(
        "datasets: {ck: {layout: ck-plus, root: ck, options: {folds: 3}}}\nencoders: {untrained: untrained}\n"
        "extract: {dtype: float32}\nmethods: {linear-probe: {}, feature-mask: {epochs: 1}}\n"
        "run: {samples: [], datasets: [ck], encoders: [untrained], methods: [linear-probe]}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["index", "--dataset", "ck", "--quiet"]) == 0
        assert run(["extract", "--dataset", "ck", "--decoders", "1", "--quiet"]) == 0
        assert run([*TRAIN, "--folds", "3", "--quiet"]) == 0
    return folder


@pytest.fixture
def ck(ck_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it with the three heads, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(ck_project, folder, ignore=shutil.ignore_patterns("cohn-kanade-images", "Emotion"))
    monkeypatch.chdir(folder)
    return folder


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


@pytest.mark.parametrize(("text", "folds"), [("2", (2,)), ("1-3", (1, 2, 3)), ("5,1", (5, 1))])
def test_folds_are_numbers_and_ranges(text: str, folds: tuple[int, ...]) -> None:
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["0", "", "a", "3-1", "0-2", "1-1001"])
def test_other_folds_are_refused(text: str) -> None:
    with pytest.raises(ParamsError, match=r"^--folds .*expected numbers of folds from 1 to 1,000"):
        parse_folds(text, "folds")


def test_each_fold_is_a_run_of_its_own_with_another_key(ck: Path) -> None:
    records = [record_of(RUNS / f"fold-{number}-of-3" / "seed-0") for number in (1, 2, 3)]
    assert [record["fold"] for record in records] == [{"number": n, "n": 3, "source": "table"} for n in (1, 2, 3)]
    assert len({record["run_key"] for record in records}) == len({record["rows"] for record in records}) == 3
    assert len({record["key"] for record in records}) == 1  # one store: nothing was extracted again


def test_people_of_the_test_fold_are_neither_trained_nor_selected_on(ck: Path) -> None:
    store = open_store("features/untrained/ck.zarr")
    folds = StoreFolds(store)
    assert folds.n_own == 3
    tested: list[str] = []
    for number in (1, 2, 3):
        frame = store.frame.assign(split=folds.units_of(folds.fold(number)).split_of_rows)
        people = {split: set(frame["subject"][frame["split"] == split]) for split in ("train", "val", "test")}
        assert not people["test"] & (people["train"] | people["val"])
        assert not people["train"] & people["val"]
        assert people["val"]
        assert set(frame["fold"][frame["split"] == "test"]) == {number}
        tested += sorted(people["test"])
        record = record_of(RUNS / f"fold-{number}-of-3" / "seed-0")
        assert record["n_train"] == (frame["split"] == "train").sum()
    assert sorted(tested) == [f"S{subject:03d}" for subject in range(N_SUBJECTS)]  # everybody once
    assert (
        store.frame["split"].value_counts().to_dict() == open_store(store.path).frame["split"].value_counts().to_dict()
    )


def test_training_again_is_up_to_date_and_a_single_fold_is_one_of_them(ck: Path) -> None:
    assert [run.status for run in stages.train("linear-probe", "ck", folds=3).runs] == ["up to date"] * 3
    [again] = stages.train("linear-probe", "ck", fold=2).runs
    assert (again.status, again.folder) == ("up to date", RUNS / "fold-2-of-3" / "seed-0")
    result = stages.train("linear-probe", "ck", folds=range(2, 4))
    assert [run.folder.parent.name for run in result.runs] == ["fold-2-of-3", "fold-3-of-3"]


def test_a_head_of_a_fold_is_scored_on_the_rows_of_its_fold(ck: Path) -> None:
    result = stages.evaluate(RUNS)
    store = open_store("features/untrained/ck.zarr").frame
    sizes = store[store["status"] == "ok"].groupby("fold").size().to_dict()
    scores = {score["fold"]["number"]: score for score in result.scores}
    assert {number: score["n"] for number, score in scores.items()} == sizes
    assert all(score["overlap"] == {"train": 0, "val": 0} and score["seen"] for score in scores.values())
    assert not [note for note in result.notes if "overlap" in note]  # it was checked, with the fold's own train rows
    [mean, pooled] = [row for folds in result.folds for row in folds.rows]
    assert mean["accuracy"] == pytest.approx(sum(score["accuracy"] for score in scores.values()) / 3)
    hits = sum(score["confusion"][i][i] for score in scores.values() for i in range(7))
    assert pooled["accuracy"] == pytest.approx(hits / sum(sizes.values()))
    assert pooled["n"] == mean["n"] == sum(sizes.values())


def test_the_frame_has_a_row_for_each_fold_their_mean_and_their_pooled_score(ck: Path) -> None:
    frame = stages.evaluate(RUNS).frame
    assert frame["fold"].tolist() == ["1 of 3", "2 of 3", "3 of 3", "mean of 3 folds", "pooled of 3 folds"]
    singles = frame[:3]
    assert frame["uar"][3] == pytest.approx(singles["uar"].mean())
    assert frame["uar_sd"][3] == pytest.approx(singles["uar"].std())
    assert frame["accuracy_low"][4] < frame["accuracy"][4] <= frame["accuracy_high"][4]


def test_the_table_names_folds_that_are_missing(ck: Path, fer_stage: FerStage) -> None:
    args = [part for number in (1, 3) for part in ("--run", str(RUNS / f"fold-{number}-of-3"))]
    text = fer_stage("evaluate", *args)
    assert "mean of 2 of 3 folds (1, 3)" in text
    assert "pooled of 2 of 3 folds (1, 3)" in text
    rows = fer_stage("evaluate", *args, "--format", "json")
    assert [row["folds"]["kind"] for row in rows if "folds" in row] == ["mean", "pooled"]


def test_a_second_evaluation_scores_nothing(ck: Path) -> None:
    stages.evaluate(RUNS)
    assert sum(run.n_new for run in stages.evaluate(RUNS).runs) == 0


def test_an_exported_head_of_a_fold_is_scored_on_its_fold(ck: Path) -> None:
    stages.export_head(RUNS / "fold-2-of-3" / "seed-0", "exported")
    [of_run], [of_export] = (stages.evaluate(folder).scores for folder in (RUNS / "fold-2-of-3", "exported"))
    assert (of_export["fold"], of_export["rows"]) == (of_run["fold"], of_run["rows"])


def test_a_head_and_its_copy_are_no_two_folds(ck: Path) -> None:
    for name in ("one", "two"):
        stages.export_head(RUNS / "fold-2-of-3" / "seed-0", f"exports/{name}")
    assert stages.evaluate("exports").folds == ()


def test_a_grid_with_folds_has_a_folder_for_each(ck: Path) -> None:
    result = stages.train("feature-mask", "ck", fold=1, grid={"lr": [0.01, 0.02]}, dry_run=True)
    assert [run.variant for run in result.planned] == ["lr=0.01,fold-1-of-3", "lr=0.02,fold-1-of-3"]


def test_folds_of_params_yaml_are_trained_and_others_pruned(ck: Path, fer_stage: FerStage) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("samples: [],", "samples: [], folds: {ck: 3},"))
    stages.train("linear-probe", "ck", folds=0)
    assert (RUNS / "seed-0").exists()
    result = stages.train("linear-probe", "ck", prune=True)
    assert len(result.runs) == 3
    assert sorted(path.name for path in RUNS.iterdir()) == [f"fold-{number}-of-3" for number in (1, 2, 3)]
    stages.train("linear-probe", "ck", folds=0, prune=True)
    assert [path.name for path in RUNS.iterdir()] == ["seed-0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"folds": 5}, r"ck: expected --folds 3, the number of folds of its table, found 5"),
        ({"fold": 4}, r"ck: expected a fold from 1 to 3, found 4"),
        ({"fold": 1, "folds": range(1, 3)}, "both name folds"),
        ({"folds": 1}, "expected two folds or more"),
        ({"fold": 1, "folds": 0}, "leave one of them out"),
    ],
)
def test_folds_that_the_table_does_not_have_are_refused(ck: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((StageError, ParamsError), match=words):
        stages.train("linear-probe", "ck", **arguments)


def test_a_head_whose_table_has_other_folds_by_now_says_so(ck: Path) -> None:
    record = record_of(RUNS / "fold-2-of-3" / "seed-0")
    record["fold"], record["variant"] = {"number": 2, "n": 4, "source": "table"}, "fold-2-of-4"
    other = RUNS / "fold-2-of-4" / "seed-0"
    (RUNS / "fold-2-of-3").rename(RUNS / "fold-2-of-4")
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(StageError, match=r"expected 4 folds of the table, found a table with 3 folds of its own"):
        stages.evaluate(other)


def test_folds_of_the_table_and_made_ones_of_one_number_are_never_taken_for_each_other(ck: Path) -> None:
    """One command may score a head of each: what is read for the first is not what the second was tested on."""
    record = record_of(RUNS / "fold-2-of-3" / "seed-0")
    record["fold"] = {"number": 2, "n": 3, "source": "groups"}
    made = RUNS / "made" / "seed-0"
    shutil.copytree(RUNS / "fold-2-of-3" / "seed-0", made)
    (made / "run.json").write_text(json.dumps(record))
    with pytest.raises(StageError, match=r"expected 3 folds of the groups, found a table with 3 folds of its own"):
        stages.evaluate([RUNS / "fold-2-of-3" / "seed-0", made])


def test_a_head_of_a_made_fold_is_not_scored_where_the_folds_of_other_rows_are_others(project: Path) -> None:
    trained = stages.train("linear-probe", "sample-a", folds=3)
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    fewer = SampleTable(table.frame[:-20], table.info)
    write_table(fewer, Path("tables/sample-a.parquet"))
    stages.extract("sample-a", decoders=1)
    with pytest.raises(
        StageError, match=r"expected the rows that fold 1 of 3 had when the head was trained.*"
    ) as raised:
        stages.evaluate(trained, datasets="sample-a")
    assert "--fold 1 --folds 3" in as_commands(raised.value)
    again = stages.evaluate(stages.train("linear-probe", "sample-a", folds=3), datasets="sample-a")
    assert {entry.overlap and sum(entry.overlap.values()) for run in again.runs for entry in run.entries} == {0}


def test_images_without_a_fold_that_are_left_out_are_counted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One image of a person has no fold: where another one of this person is tested on, it is not trained on."""
    table = SampleTable.read(Path("tables/sample-a.parquet"))
    people = pd.factorize(table.frame["subject"])[0]
    folds = pd.Series(1 + people % 3, table.frame.index, "Int64")
    folds[np.flatnonzero(people == 0)[0]] = pd.NA
    write_table(SampleTable(table.frame.assign(fold=folds), table.info), Path("tables/sample-a.parquet"))
    stages.extract("sample-a", decoders=1)
    stages.train("linear-probe", "sample-a", fold=1)
    assert "note: sample-a, fold-1-of-3: 1 images without a fold are not used, as others" in capsys.readouterr().err


def test_a_table_without_folds_gets_some_by_group(project: Path) -> None:
    result = stages.train("linear-probe", "sample-a", folds=3)
    assert [run.record.fold and run.record.fold.source for run in result.runs] == ["groups"] * 3
    folds = StoreFolds(open_store("features/untrained/sample-a.zarr"))
    units = [folds.units_of(Fold(number, 3, "groups")) for number in (1, 2, 3)]
    frames = [each.store.frame.assign(split=each.split_of_rows) for each in units]
    tested = [set(frame["subject"][frame["split"] == "test"]) for frame in frames]
    assert sum(map(len, tested)) == len(set.union(*tested)) == frames[0]["subject"].nunique()
    scores = stages.evaluate(result, datasets=["sample-a", "sample-e"])
    kinds = [(folds.scores.scores[0].dataset, len(folds.rows)) for folds in scores.folds]
    assert kinds == [("sample-a", 2), ("sample-e", 1)]  # on other datasets nothing is pooled: all have the same images


def test_a_table_without_folds_says_how_to_make_some(project: Path) -> None:
    with pytest.raises(StageError, match=r"expected a table with a column fold, found none.*--fold 2 --folds 5"):
        stages.train("linear-probe", "sample-a", fold=2)


def test_views_that_only_train_rows_of_the_table_have_are_refused_in_a_fold(project: Path, fer_stage: FerStage) -> None:
    fer_stage("extract", "--dataset", "sample-a", "--decoders", "1", "--views", "2")
    with pytest.raises(StageError, match=r"expected one view of every image for folds, found 2.*extract.views to 1"):
        stages.train("feature-mask", "sample-a", folds=3)
    assert stages.train("feature-mask", "sample-a", folds=0, options={"epochs": 1}).runs
