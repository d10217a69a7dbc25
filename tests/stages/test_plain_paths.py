"""Names become parts of paths: whatever they hold, nothing is read or written outside of the named folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from run_records import run_record

from cache.errors import QueryError
from cache.features_root import store_path
from cache.texts import text_path
from pipeline.encoders.spec import EncoderSpec
from pipeline.errors import ConfigError, InputError
from pipeline.records import Run
from stages.cli import run
from stages.errors import ParamsError
from stages.names import variant_name
from stages.params import Params, load_params
from stages.seeds import LARGEST_SEED, parse_seeds
from stages.workflows.prediction_files import _names
from stages.workspace import Workspace, run_parts, scores_path

FerStage = Callable[..., Any]
HOSTILE = ["../../outside", "..", ".", "", "/tmp/outside", "a/b", "a\\b", "a\x00b", "\x1b[8mx", "a\nb", "x" * 300]
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,=+-]*")


def tree(folder: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in folder.rglob("*")}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_in_params_leads_elsewhere(tmp_path: Path, name: str) -> None:
    blocks: list[dict[str, Any]] = [
        {"datasets": {name: {"layout": "folder", "root": "d"}}},
        {"encoders": {"mini": "mini", name: "mini"}},
        {"encoders": {"mini": name}},
        {"prompt_sets": {name: ["a [CLS]"]}},
        {"prompts": name},
        {"methods": {name: {}}},
        {"methods": {"cafe": {"recipe": name or "/"}}},
        *({"run": {key: [name]}} for key in ("samples", "datasets", "train", "encoders", "methods")),
    ]
    for block in blocks:
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(block))
        with pytest.raises(ParamsError, match=r"params\.yaml"):
            load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1, 10**400])
def test_a_seed_is_a_number_that_every_library_takes(tmp_path: Path, seed: int) -> None:
    for block in ({"run": {"seeds": [seed]}}, {"sample": {"seed": seed}}, {"extract": {"view_seed": seed}}):
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(block))
        with pytest.raises(ParamsError, match="seed"):
            load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["-1", "0--1", "4294967296", "9" * 5000, "0-99999999", "²", "1,0-1000000000"])
def test_seeds_of_a_command_are_counted_before_they_are_listed(text: str) -> None:
    with pytest.raises(ParamsError, match="--seeds"):
        parse_seeds(text)
    assert parse_seeds(str(LARGEST_SEED)) == (LARGEST_SEED,)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_where_a_path_is_made_is_one_part_of_it(name: str) -> None:
    workspace = Workspace()
    for made in (workspace.table, workspace.face_table):
        with pytest.raises(ParamsError, match="expected a plain name of the dataset"):
            made(name)
    for names in ((name, "cafe", "x"), ("mini", name, "x"), ("mini", "cafe", name)):
        with pytest.raises(ParamsError, match="expected a plain name"):
            workspace.run(*names, seed=0)
    for encoder, dataset in ((name, "x"), ("mini", name)):
        with pytest.raises(QueryError, match="expected the plain name"):
            store_path(Path("features"), encoder, dataset, "zarr")
        with pytest.raises(QueryError, match="expected the plain name"):
            text_path(Path("features"), encoder, dataset)
    record = Run(**run_record())
    assert run_parts(record)
    for key in ("encoder", "method", "dataset", "variant", "seed"):  # of a record that nothing has checked
        assert not run_parts(record.model_copy(update={key: f"/{name}" if key == "seed" else name or "."}))


def test_a_record_that_names_a_path_has_no_place_for_scores(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a" / "seed-0"
    folder.mkdir(parents=True)
    record = {"encoder": "..", "method": "..", "dataset": "..", "seed": 0}
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"run\.json: expected the record .*encoder: "):
        scores_path(folder)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_a_variant_is_one_part_of_a_path_and_has_a_folder_of_its_own(name: str) -> None:
    made = variant_name(f"pretrained={name}")
    assert PLAIN.fullmatch(made)
    assert len(made) <= 163
    assert variant_name(f"pretrained={name} ") != made
    assert variant_name("beta_div=5,lr=1e-3") == "beta_div=5,lr=1e-3"


@pytest.mark.parametrize("architecture", ["..", ".", "a\\b", "x" * 300, "; touch owned"])
@pytest.mark.parametrize("weights", ["..", "/../../outside/..", "/w/" + "y" * 300])
def test_the_folder_of_an_encoder_that_is_written_out_is_one_part_of_a_path(architecture: str, weights: str) -> None:
    slug = EncoderSpec.parse(f"open_clip:{architecture}@{weights}").slug
    assert re.fullmatch(r"open_clip-[A-Za-z0-9_.-]{1,200}", slug)
    if len(slug) > 150:  # what is cut off is in the digest
        assert EncoderSpec.parse(f"open_clip:{architecture}@{weights}z").slug != slug


@pytest.mark.parametrize("text", ["timm:a\x00b@w", "timm:a@w\x00", "open_clip:a\nb/openai", "open_clip:a/\x1b[8m"])
def test_an_encoder_is_written_without_control_characters(text: str) -> None:
    with pytest.raises(ConfigError, match="expected open_clip:ARCH/TAG"):
        EncoderSpec.parse(text)


def test_runs_that_would_share_a_folder_are_refused(project: Path, fer_stage: FerStage) -> None:
    train = ("train", "--method", "baseline", "--dataset", "sample-a", "--grid", "pretrained=a/b,a-b", "--dry-run")
    assert "a folder of its own" in fer_stage(*train, code=1)


HOSTILE_OPTIONS = [
    ("index", "--dataset", "{}", "--layout", "sample", "--root", "data/sample-a"),
    ("align", "--dataset", "{}"),
    ("extract", "--dataset", "{}"),
    ("extract", "--dataset", "sample-a", "--encoder", "{}"),
    ("encode-text", "--prompts", "{}"),
    ("encode-text", "--prompts", "{}", "--if-any"),
    ("encode-text", "--encoder", "{}"),
    ("train", "--method", "linear-probe", "--dataset", "{}"),
    ("train", "--method", "{}", "--dataset", "sample-a"),
    ("train", "--method", "zero-shot", "--dataset", "sample-a", "--prompts", "{}"),
    ("train", "--method", "zero-shot", "--dataset", "sample-a", "--text", "{}"),
    ("train", "--method", "linear-probe", "--dataset", "sample-a", "--recipe", "{}"),
    ("train", "--method", "linear-probe", "--dataset", "sample-a", "--seeds", "{}"),
    ("evaluate", "--run", "runs", "--dataset", "{}"),
    ("draw", "--style", "{}"),
    ("recipes", "--recipe", "{}"),
]


@pytest.mark.parametrize("command", HOSTILE_OPTIONS, ids=lambda words: "-".join(words).replace("{}", "X"))
def test_no_option_of_a_command_leads_elsewhere(
    project: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """A table and a store lie where each name would lead, so that a name that is not refused would be used."""
    before = tree(project.parent)
    for name in ("../../outside", "..", "", str(project.parent / "outside"), "a\nb", "x" * 300):
        if name == "" and ("--recipe" in command or "--encoder" in command or "--text" in command):
            continue  # nothing is the default
        if name == "" and command[0] in ("encode-text", "train") and "--prompts" in command:
            continue
        code = run([word.format(name) for word in command])
        error = capsys.readouterr().err
        assert code in (1, 2), (name, error)
        assert "a bug of fer-stage" not in error
        assert tree(project.parent) == before


def test_a_picture_with_labels_has_a_name_that_a_file_can_have(tmp_path: Path) -> None:
    for stem in ("a\nb", "\x1b[8m", "é" * 120, "x" * 251, "..", "-rf", "a\udcffb"):
        path = next(_names(tmp_path, f"{stem}.png", ".jpg"))
        assert path.parent == tmp_path
        assert path.name.isprintable()
        assert len(path.stem.encode()) <= 200
        path.with_name(f"{path.stem}-12.jpg").touch()
    first, second, *_ = islice(_names(tmp_path, "Füße im Sand (2).png", ".jpg"), 2)
    assert (first.name, second.name) == ("Füße im Sand (2).jpg", "Füße im Sand (2)-2.jpg")


def test_labels_are_drawn_for_pictures_with_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fer_stage: FerStage
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    fer_stage("draw", "--group", "1", "--out", "one.png", "--quiet")
    with Image.open("one.png") as picture:
        for name in ("a\nb.png", "x" * 251 + ".png", "; touch owned;.png"):
            picture.save(Path("pictures", name), "PNG")
    rows = fer_stage("predict", "pictures", "--annotate", "shown", "--format", "json", "--quiet")
    shown = {row["annotated"] for row in rows}
    assert len(shown) == 3
    assert sorted(str(path) for path in Path("shown").iterdir()) == sorted(shown)
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "shown", "one.png"}


def test_a_dataset_that_limit_made_is_still_one_name() -> None:
    assert Workspace().run("mini", "cafe", "my.first-12", 0) == Path("runs/mini/cafe/my.first-12/seed-0")
    with pytest.raises(ParamsError, match="expected a plain name"):
        Params().dataset("my.first-" + "9" * 5000)


RECORDED = "runs/untrained/feature-mask/sample-a/seed-0/run.json"


@pytest.mark.parametrize("field", ["encoder", "dataset", "method", "variant", "seed", "encoder_named", "encoder_spec"])
def test_no_name_in_the_record_of_a_run_leads_elsewhere(
    project: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    record, outside = json.loads(Path(RECORDED).read_text()), project.parent
    for name in ("../../outside", "..", str(outside / "outside"), "a\x00b", "x" * 300):
        Path(RECORDED).write_text(json.dumps(record | {field: name}))
        before = {path: stamp for path, stamp in tree(outside).items() if not path.startswith(str(project / "runs"))}
        for command in (
            ("evaluate", "--run", "runs", "--dataset", "sample-e"),
            ("evaluate", "--run", str(Path(RECORDED).parent), "--dataset", "sample-e"),
            ("report", "--dry-run"),
            ("head", "export", "--run", str(Path(RECORDED).parent), "--out", "out", "--dry-run"),
        ):
            code = run(list(command))
            error = capsys.readouterr().err
            assert code in (0, 1), error
            assert "a bug of fer-stage" not in error, (field, name, error)
        after = {path: stamp for path, stamp in tree(outside).items() if not path.startswith(str(project / "runs"))}
        assert after == before
        assert {path.name for path in Path("runs").iterdir()} <= {"untrained", "scores"}
