"""params.yaml: what it refuses, and that dvc.yaml tracks what changes a result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipeline.datasets.layouts import LAYOUTS
from pipeline.methods import method_names
from stages.errors import ParamsError
from stages.params import Params, load_params
from stages.remedies import as_commands

ROOT = Path(__file__).parents[2]
PAPERS = sorted(path.parent.name for path in (ROOT / "examples" / "papers").glob("*/params.yaml"))
EXAMPLES = ("faces", "methods", "video", *(f"papers/{name}" for name in PAPERS))
SHIPPED = ("params.yaml", *(f"examples/{name}/params.yaml" for name in EXAMPLES))


def _refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    return str(caught.value)


def test_defaults_hold_without_a_file(tmp_path: Path) -> None:
    assert load_params(tmp_path / "params.yaml") == Params()


@pytest.mark.parametrize("path", SHIPPED)
def test_shipped_params_are_valid(path: str) -> None:
    params = load_params(ROOT / path)
    assert set(params.run.datasets) <= set(params.datasets)


def test_shipped_params_are_the_defaults_but_for_datasets_methods_and_pixels() -> None:
    """Pixels are most of a store: a million faces are only encoded with them by who asks for them."""
    shipped, default = load_params(ROOT / "params.yaml"), Params()
    same = {"classes", "encoders", "sample", "prompts", "prompt_sets", "protocol", "run"}
    assert shipped.model_dump(include=same) == default.model_dump(include=same)
    with_pixels = default.extract.model_copy(update={"outputs": ["pooled", "pixels"]})
    assert shipped.extract == with_pixels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clases: 7", ["clases: unknown key", "'classes'"]),
        ("extract: {view: 2}", ["extract.view: unknown key", "'views'"]),
        ("extract: {views: two}", ["extract.views", "'two'"]),
        ("extract: {ending: h5}", ["extract.ending: unknown key", "Its name is 'format' now"]),
        ("extract: {format: hdf5}", ["extract.format", "'zarr' or 'h5'"]),
        ("extract: {views: 2.0}", ["extract.views"]),
        ("classes: 6", ["classes", "7", "8"]),
        ("methods: {feature-mask: {lr: 1e-3}}", ["methods.feature-mask", "lr", "text", "0.001"]),
        ("methods: {feature-mask: {lr: 5e-6}}", ["lr", "text", "write it as 5.0e-06"]),
        ("methods: {feature-mask: {lambda: 1.0}}", ["lambda: unknown key", "'lambda_sep'"]),
        ("methods: {feature-musk: {}}", ["feature-musk", "'feature-mask'"]),
        ("datasets: {x: {layout: rafdb, root: r}}", ["rafdb", "'raf-db'"]),
        ("datasets: {x: {layout: ferplus, root: r, options: {rul: majority}}}", ["rul", "rule"]),
        ("datasets: {x: {layout: ferplus, rot: r}}", ["datasets.x.rot: unknown key", "'root'"]),
        ("encoders: {clip: ViT-B-32}", ["encoders.clip", "open_clip:ARCH/TAG"]),
        ("run: {encoders: [clip]}", ["clip", "mini"]),
        ("prompts: kefir", ["kefir", "'kefer'"]),
        ("prompt_sets: {clip: [a face]}", ["prompt_sets", "plain name that is none of", "'clip'"]),
        ("prompt_sets: {a/b: ['a [CLS]']}", ["prompt_sets", "plain name", "'a/b'"]),
        ("extract: {views: '2'}", ["extract.views", "write it as 2, without quotes"]),
        ("extract: {views: 2.0}", ["extract.views", "Write it as 2"]),
        ("extract: {views: '2.5'}", ["extract.views", "found '2.5'."]),
        ("extract: {margin: '0.5'}", ["extract.margin", "write it as 0.5, without quotes"]),
        ("classes: '7'", ["classes", "write it as 7, without quotes"]),
        ("run: {seeds: ['1']}", ["run.seeds.0", "write it as 1, without quotes"]),
        ("protocol: {drop_other_labels: 'yes'}", ["drop_other_labels", "write it as true, without quotes"]),
        ("run: {datasets: [2013]}", ["run.datasets.0", 'write it as "2013"']),
        ("methods: {feature-mask: {epochs: '3'}}", ["epochs", "write it as 3, without quotes"]),
        ("extract: {views: yes}", ["extract.views", "found True. YAML reads yes, on, no and off", "write a number"]),
        ("run: {datasets: [no]}", ["run.datasets.0", "found False", "write a text in quotes"]),
        ("run: {seeds: 0}", ["run.seeds", "Write it as [0]"]),
        ("run: {folds: {dfew: 5}}", ["run.folds", "'dfew' is not among run.train"]),
        ("run: {folds: {sample-a: 1}}", ["run.folds.sample-a", "greater than or equal to 2"]),
        ("extract: {outputs: pooled}", ["extract.outputs", "Write it as [pooled]"]),
        ("methods: {linear-probe: }", ["methods.linear-probe", "Write {} for what holds by default"]),
        ("prompt_sets: {mine: []}", ["prompt_sets.mine", "at least one template"]),
        ("prompt_sets: {mine: [a face]}", ["prompt_sets.mine", "'a face' has no [CLS]"]),
        ("prompt_sets: {mine: ['a [CLS]']}\nprompts: mein", ["mein", "'mine'"]),
        ("methods: {feature-mask: {recipe: cafe/raf}}", ["'cafe/raf'", "'cafe/raf-db'"]),
        ("methods: {feature-mask: {recipe: cafe/raf-db}}", ["cafe/raf-db is one of cafe, not of feature-mask"]),
        ("sample: {version: 99}", ["sample", "version"]),
        ("- a list", ["names with values"]),
        ("classes: 7\nclasses: 8", ["'classes' occurs twice", "line 2"]),
        ("a: [", ["is not YAML"]),
    ],
)
def test_refusals_name_the_key_and_the_way_out(tmp_path: Path, text: str, words: list[str]) -> None:
    message = _refused(tmp_path, text)
    assert all(word in message for word in words), message


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    message = _refused(tmp_path, "clases: 7\nextract: {views: two, dtyp: float16}")
    assert "3 problems" in message


def test_a_prompt_set_of_ones_own_is_known_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("prompt_sets: {mine: ['a [CLS]', '[ADJ]']}\nprompts: mine")
    params = load_params(path)
    assert params.templates(params.prompts) == ("a [CLS]", "[ADJ]")
    assert params.templates("clip") == ("a photo of [CLS].",)


def test_a_methods_block_changes_its_recipe_and_the_recipe_its_defaults() -> None:
    params = Params(methods={"scn": {"recipe": "scn/raf-db", "epochs": 3}})
    config = params.method("scn").model_dump()
    assert (config["epochs"], config["margin_rank"], config["balanced"]) == (3, 0.07, False)
    name, options = params.options("scn", recipe="scn/raf-db-code")
    assert (name, options["epochs"], options["margin_rank"], "recipe" in options) == ("scn/raf-db-code", 3, 0.15, False)
    assert Params().options("scn") == ("", {})


def test_a_dataset_that_nothing_describes_is_refused_with_the_way_out() -> None:
    with pytest.raises(ParamsError, match=r"is not in params\.yaml and is no layout") as error:
        Params().dataset("my-faces")
    command, _, layouts = as_commands(error.value).partition("Run `")[2].partition("` with its layout, one of ")
    assert command == "fer-stage index --dataset my-faces --layout LAYOUT --root PATH"
    assert layouts.split(", ") == list(LAYOUTS)


def test_a_dataset_is_found_by_the_name_of_its_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Params().dataset("affectnet").root == "data/affectnet"
    Path("data").mkdir()
    Path("data/affectnet.zip").touch()
    assert Params().dataset("affectnet").root == "data/affectnet.zip"


VERSIONS, CODE = "pipeline/versions.json", "tables/code.json"


def _params(stage: str) -> list[str | dict[str, list[str]]]:
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    params: list[str | dict[str, list[str]]] = graph.get("params") or graph["do"]["params"]
    return params


def _tracked(stage: str) -> set[str]:
    """Parts of params.yaml that a stage depends on."""
    return {name for name in _params(stage) if isinstance(name, str)}


def _tracked_in(file: str, stage: str) -> set[str]:
    """Parts of a JSON file that a stage depends on."""
    return {name for part in _params(stage) if isinstance(part, dict) for name in part.get(file, ())}


def test_dvc_tracks_every_parameter_that_changes_a_result() -> None:
    """Every block of params.yaml that changes a stage's result is in `params:` of that stage, and no other is."""
    assert _tracked("draw") == {"run.samples", "sample"}
    assert _tracked("code") == {"datasets", "encoders", "methods", "run.methods"}
    assert _tracked("index") == {"classes", "datasets.${key}"}
    assert _tracked("align") == {"extract"}
    assert _tracked("extract") == {"extract", "encoders.${item.encoder}"}
    assert _tracked("encode-text") == {"classes", "prompts", "prompt_sets", "encoders.${item.encoder}"}
    train = {"methods.${item.method}", "prompts", "protocol.drop_other_labels", "run.folds", "run.seeds", "run.train"}
    assert _tracked("train") == {"classes", *train}
    assert _tracked("evaluate") == {"protocol", "run"}  # run.datasets, and run.test, which may be missing
    blocks = {
        name.split(".")[0]
        for stage in ("draw", "index", "align", "extract", "encode-text", "train", "evaluate")
        for name in _tracked(stage)
    }
    assert blocks | {"run"} == set(Params.model_fields)


@pytest.mark.parametrize("path", SHIPPED)
def test_every_parameter_that_dvc_tracks_is_in_the_shipped_files(path: str) -> None:
    """DVC refuses to run a stage whose parameters are missing, whatever their defaults are."""
    data = yaml.safe_load((ROOT / path).read_text())
    items = {"encoder": data["run"]["encoders"], "method": data["run"]["methods"], "dataset": data["run"]["datasets"]}
    for stage in ("draw", "code", "index", "align", "extract", "encode-text", "train", "evaluate", "report"):
        for name in _tracked(stage):
            matrix = re.search(r"\$\{item\.(\w+)\}", name)
            for value in items[matrix[1]] if matrix else data["datasets"]:
                block = data
                for part in re.sub(r"\$\{.*\}", value, name).split("."):
                    assert part in block, (stage, name, value)
                    block = block[part]


def test_dvc_tracks_the_version_of_every_stage_and_method() -> None:
    assert _tracked_in(VERSIONS, "draw") == {"sample", "sample-video"}
    for stage in ("index", "align", "extract", "evaluate"):
        assert _tracked_in(VERSIONS, stage) == {"fer-stage", stage}
    assert _tracked_in(VERSIONS, "encode-text") == {"fer-stage", "text"}
    assert _tracked_in(VERSIONS, "code") == {"methods"}
    for stage in ("train", "report"):
        assert _tracked_in(VERSIONS, stage) == {"fer-stage"}


def test_dvc_tracks_the_code_of_every_name_that_a_stage_uses() -> None:
    assert _tracked_in(CODE, "index") == {"datasets.${key}"}
    for stage in ("extract", "encode-text"):
        assert _tracked_in(CODE, stage) == {"encoders.${item.encoder}"}
    assert _tracked_in(CODE, "train") == {"methods.${item.method}"}
    for stage in ("draw", "code", "align", "evaluate", "report"):
        assert _tracked_in(CODE, stage) == set()


def test_a_dataset_that_heads_are_trained_on_is_a_dataset_of_the_matrix(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("run: {datasets: [sample-a], train: [sample-b]}")
    with pytest.raises(ParamsError, match=r"run\.train: 'sample-b' is not among run\.datasets: sample-a"):
        load_params(tmp_path / "params.yaml")


def test_every_method_that_dvc_runs_has_a_block_that_dvc_can_track() -> None:
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(data["run"]["methods"]) <= set(data["methods"]) == set(method_names())


@pytest.mark.parametrize(("written", "meant"), [("minni", "mini"), ("untraned", "untrained"), ("my-clp", "my-clip")])
def test_a_misspelt_encoder_is_answered_with_the_nearest_name(written: str, meant: str) -> None:
    with pytest.raises(ParamsError, match=rf"Did you mean '{meant}'\?$"):
        Params(encoders={"my-clip": "untrained"}, run={"encoders": ["my-clip"]}).encoder(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("classes", "layout", "taken"),
    [
        ("7", "ferplus", 7),
        ("8", "ferplus", 8),
        ("8", "raf-db-compound", "raf-compound"),
        ("raf-compound", "folder", "raf-compound"),
        ("raf-compound", "ferplus", 7),
        ("mafw", "ferplus", 8),
    ],
)
def test_a_dataset_has_the_classes_of_the_project_or_those_that_its_layout_knows(
    tmp_path: Path, classes: str, layout: str, taken: int | str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"classes: {classes}\ndatasets: {{mine: {{layout: {layout}, root: data}}}}\n")
    assert load_params(path).dataset("mine").options == {"classes": taken}
