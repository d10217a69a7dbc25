"""docs/extending.md: the files of the page, outside the package, in a project of one's own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT, environment, python_files

import stages
from pipeline.encoders.families import file_family
from pipeline.errors import ConfigError, EncoderError, InputError, MismatchError
from pipeline.methods.own import declare_methods
from pipeline.plugins import load_file
from pipeline.versions import method_version
from stages.cli import run
from stages.errors import ParamsError, StageError

FerStage = Callable[..., Any]
FILES = python_files("docs/extending.md")
HEAD = "my_head.py:MyHead"
RUN = Path("runs/mini/my-head/sample-a/seed-0")
PARAMS: dict[str, Any] = {
    "classes": 7,
    "protocol": {"test_split": "test"},
    "sample": {"images": 60},
    "datasets": {"sample-a": {"layout": "sample", "root": "data/sample-a"}},
    "methods": {"my-head": {"code": HEAD, "epochs": 2}},
    "run": {"samples": ["sample-a"], "datasets": ["sample-a"], "methods": [], "seeds": [0]},
}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extending")
    with contextlib.chdir(folder):
        Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
        for command in ("draw --style sample-a", "index --dataset sample-a", "extract --dataset sample-a"):
            assert run([*command.split(), "--quiet"]) == 0
    return folder


@pytest.fixture
def project(extracted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files in a project with one dataset of 60 drawn faces, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(extracted, folder)
    for name, source in FILES.items():
        (folder / name).write_text(source)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_has_under_forty_lines(name: str) -> None:
    assert len(FILES[name].splitlines()) < 40


def _without_methods() -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"methods": {}}))


def test_a_method_of_a_file_is_trained_evaluated_and_reported(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    fer_stage("train", "--method", HEAD, "--dataset", "sample-a", "--option", "epochs=2")
    record = json.loads((RUN / "run.json").read_text())
    assert record["method"] == "my-head"
    assert record["method_code"]["code"] == HEAD
    assert record["head"]["options"] == {"sparsity": 0.1}
    assert "loss_sparse" in (RUN / "history.csv").read_text()
    fer_stage("evaluate", "--run", str(RUN), "--dataset", "sample-a", "--method", HEAD)
    fer_stage("report")
    assert "my-head" in Path("reports/tables/matrix.csv").read_text()
    picture = str(next(Path("data/sample-a/images").iterdir()))
    [row] = fer_stage("predict", picture, "--run", str(RUN), "--method", HEAD, "--format", "json", "--quiet")
    assert list(row["probabilities"]) == record["classes"]


def test_a_method_of_params_yaml_is_known_by_its_name(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "my-head", "--dataset", "sample-a")
    assert json.loads((RUN / "run.json").read_text())["config"]["epochs"] == 2
    fer_stage("evaluate", "--run", str(RUN))


def test_a_method_is_trained_from_python(project: Path) -> None:
    result = stages.train(HEAD, "sample-a", options={"epochs": 1}, quiet=True)
    assert [one.record.method for one in result.runs] == ["my-head"]


def test_a_run_chooses_no_code_that_is_run(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", HEAD, "--dataset", "sample-a")
    _without_methods()
    Path("my_head.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(InputError, match=r"the method my-head is no part of fer-stage: expected its code, my_head\.py"):
        stages.evaluate(RUN, datasets=["sample-a"])


def test_a_changed_file_makes_another_head_and_the_earlier_one_is_refused(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "my-head", "--dataset", "sample-a")
    before = json.loads((RUN / "run.json").read_text())["run_key"]
    Path("my_head.py").write_text(FILES["my_head.py"].replace("zeros_(self.mask)", "ones_(self.mask)"))
    with pytest.raises(MismatchError, match=r"the head was trained by my_head\.py:MyHead with sha256"):
        stages.evaluate(RUN)
    fer_stage("train", "--method", "my-head", "--dataset", "sample-a")
    assert json.loads((RUN / "run.json").read_text())["run_key"] != before
    fer_stage("evaluate", "--run", str(RUN))


def _export(fer_stage: FerStage) -> Path:
    """A head of the page's file, exported by a project that is no longer there."""
    fer_stage("train", "--method", HEAD, "--dataset", "sample-a", "--option", "epochs=2")
    fer_stage("head", "export", "--run", str(RUN), "--out", "exported", "--method", HEAD)
    shutil.rmtree("runs")
    return Path("exported")


def _picture() -> Path:
    return next(Path("data/sample-a/images").iterdir())


def test_its_head_is_exported_without_code_and_predicts_with_the_file(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    fer_stage("train", "--method", HEAD, "--dataset", "sample-a", "--option", "epochs=2")
    expected = stages.predict(_picture(), run=RUN, method=HEAD).predictions
    result = stages.export_head(RUN, "exported", method=str(project / HEAD))
    digest = hashlib.sha256(FILES["my_head.py"].encode()).hexdigest()
    assert result.notes[0] == (
        "the folder holds no code. Whoever uses the head needs my_head.py too, "
        f"with sha256 {digest[:12]}, and names it with --method"
    )
    assert sorted(path.name for path in Path("exported").iterdir()) == ["README.md", "head.json", "head.safetensors"]
    assert json.loads(Path("exported/head.json").read_text())["method_code"] == {"code": HEAD, "sha256": digest}
    card = Path("exported/README.md").read_text()
    assert f"| code of the method | `{HEAD}`, sha256 `{digest}` |" in card
    assert f"fer-stage predict PICTURE... --run THIS_FOLDER --method {HEAD}" in card
    shutil.rmtree("runs")
    declare_methods({})
    shutil.move("my_head.py", "elsewhere.py")  # the name of the file is not compared, its content is
    found = stages.predict(_picture(), run="exported", method="elsewhere.py:MyHead").predictions
    assert [one.probabilities for one in found] == [one.probabilities for one in expected]


def test_an_export_names_no_path_of_the_machine_and_is_up_to_date(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    code = str(project / HEAD)
    fer_stage("train", "--method", code, "--dataset", "sample-a", "--option", "epochs=2")
    exports = [stages.export_head(RUN, "exported", method=code).status for _ in range(2)]
    exports.append(stages.export_head("exported", "again", method=code).status)
    assert exports == ["written", "up to date", "written"]
    for path in (*Path("exported").iterdir(), *Path("again").iterdir()):
        assert str(project).encode() not in path.read_bytes()
    assert Path("again/head.json").read_bytes() == Path("exported/head.json").read_bytes()


def test_an_export_chooses_no_code_that_is_run(project: Path, fer_stage: FerStage) -> None:
    """Not even a file of its name, in the current folder or in its own."""
    _without_methods()
    folder = _export(fer_stage)
    declare_methods({})
    for path in (Path("my_head.py"), folder / "my_head.py"):
        path.write_text("raise SystemExit('it was run')")
    with pytest.raises(InputError, match=rf"expected its code, {HEAD} with sha256 \w+, found none. Name it with"):
        stages.predict(_picture(), run=folder)


def test_an_export_takes_the_file_that_trained_it_and_no_other(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    folder = _export(fer_stage)
    with Path("my_head.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(
        MismatchError, match=r"trained by my_head\.py:MyHead with sha256 \w+, found .* Get that file from"
    ):
        stages.predict(_picture(), run=folder, method=HEAD)


@pytest.mark.parametrize("name", ["exported/head.json", str(RUN / "run.json")])
def test_a_record_without_a_digest_gets_no_code(project: Path, fer_stage: FerStage, name: str) -> None:
    fer_stage("train", "--method", "my-head", "--dataset", "sample-a")
    stages.export_head(RUN, "exported")
    record = json.loads(Path(name).read_text())
    del record["method_code"]
    record["head"]["options"] = {}  # as those of fer-stage have them
    Path(name).write_text(json.dumps(record))
    with pytest.raises(InputError, match="method_code: expected the sha256 of the code of my-head, found none"):
        stages.predict(_picture(), run=Path(name).parent)


def test_a_record_gives_a_method_of_fer_stage_no_other_code(project: Path) -> None:
    stages.train("my-head", "sample-a")
    record = json.loads((RUN / "run.json").read_text())
    (RUN / "run.json").write_text(json.dumps(record | {"method": "linear-probe"}))
    with pytest.raises(InputError, match=rf"method_code: expected none of linear-probe, .* found {HEAD}"):
        stages.predict(_picture(), run=RUN, method=HEAD)


def test_an_exported_head_is_evaluated(project: Path, fer_stage: FerStage) -> None:
    fer_stage("train", "--method", "my-head", "--dataset", "sample-a")
    stages.export_head(RUN, "exported")
    columns = ["dataset", "n", "accuracy"]
    frames = [stages.evaluate(run, datasets=["sample-a"]).frame[columns] for run in ("exported", RUN)]
    assert frames[0].equals(frames[1])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def reset", "def def reset", r"my_head\.py:23: SyntaxError: invalid syntax"),
        ("loss_weights = ", "loss_weights = undefined or ", r"my_head\.py:16: NameError: name 'undefined'"),
        ('kind="my-head"', 'kind="linear"', r"my_head\.py:10: TypeError: MyHead: expected a kind of its own"),
        ('kind="my-head"', 'kind="linear-probe"', "that no method of fer-stage has, found 'linear-probe'"),
        ("class MyHead", "class Other", r"expected MyHead at the top level of my_head\.py, found torch"),
        ("Head(TrainableHead, kind", "Head(dict, kind", r"my_head\.py:10: TypeError"),
    ],
)
def test_an_error_of_the_file_names_its_line(project: Path, old: str, new: str, message: str) -> None:
    Path("my_head.py").write_text(FILES["my_head.py"].replace(old, new))
    with pytest.raises(ConfigError, match=message):
        stages.train(HEAD, "sample-a", dry_run=True)


def test_a_file_that_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would wait for a writer without end."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "long.py").write_bytes(b"#" * (2**22 + 1))
    for name in ("pipe.py", "long.py", "none.py"):
        with pytest.raises(ConfigError, match=rf"{name} cannot be read: .*\. Name a Python file"):
            load_file(f"{tmp_path / name}:MyHead")


def test_an_error_while_it_trains_names_its_line_and_is_no_bug_of_ours(project: Path, fer_stage: FerStage) -> None:
    Path("my_head.py").write_text(FILES["my_head.py"].replace('inputs["pooled"]', 'inputs["pool"]'))
    message = fer_stage("train", "--method", HEAD, "--dataset", "sample-a", code=1)
    assert re.search(r"my_head\.py:\d+: KeyError: 'pool'", message)
    assert "bug" not in message


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"my.head": {"code": HEAD}}, r"methods: expected a plain name of the method .*, found 'my\.head'"),
        ({"cafe": {"code": HEAD}}, r"methods\.cafe\.code: cafe is a method of fer-stage"),
        ({"mine": {"code": "my_head"}}, r"methods\.mine\.code: expected FILE\.py:NAME, found 'my_head'"),
        ({HEAD: {}}, r"expected a plain name, found 'my_head\.py:MyHead'"),
    ],
)
def test_params_yaml_with_wrong_code(project: Path, methods: Any, message: str) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"methods": methods}))
    with pytest.raises(ParamsError, match=message):
        stages.train("linear-probe", "sample-a", dry_run=True)


def test_the_name_in_params_yaml_is_that_of_the_method(project: Path) -> None:
    """One class under two names, with the options of each; elsewhere its file is named without them."""
    methods = {"mine": {"code": HEAD, "epochs": 1}, "other": {"code": HEAD, "epochs": 2}}
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"methods": methods}))
    folders = [stages.train(name, "sample-a").folders[0] for name in methods]
    assert folders == [Path(f"runs/mini/{name}/sample-a/seed-0") for name in methods]
    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [(one["method"], one["config"]["epochs"], one["head"]["kind"]) for one in records] == [
        ("mine", 1, "my-head"),
        ("other", 2, "my-head"),
    ]
    expected = stages.evaluate(folders, datasets=["sample-a"]).frame["accuracy"]
    stages.report()
    assert {"mine", "other"} <= set(Path("reports/tables/matrix.csv").read_text().replace("\n", ",").split(","))
    _without_methods()
    declare_methods({})
    frame = stages.evaluate(folders, datasets=["sample-a"], method=HEAD).frame
    assert list(frame["accuracy"]) == list(expected)


def test_another_class_of_the_same_file_is_not_that_of_a_head(project: Path) -> None:
    source = FILES["my_head.py"]
    classes = source + source[source.index("class MyHead") :].replace("MyHead", "Other").replace("my-head", "other")
    Path("my_head.py").write_text(classes)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"methods": {"mine": {"code": HEAD, "epochs": 1}}}))
    stages.train("mine", "sample-a")
    _without_methods()
    declare_methods({})
    with pytest.raises(InputError, match="the method mine is no part of fer-stage: expected its code"):
        stages.evaluate("runs/mini/mine", datasets=["sample-a"], method="my_head.py:Other")


def _install(site: Path, group: str, entry: str, source: str) -> None:
    """A package `my_package` with one module, `code`, and one entry point."""
    info = site / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    (site / "my_package").mkdir()
    (site / "my_package" / "__init__.py").touch()
    (site / "my_package" / "code.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    for name in ("my_package", "my_package.code"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_an_installed_package_offers_a_method(project: Path, site: Path) -> None:
    source = FILES["my_head.py"].replace('kind="my-head"', 'kind="packaged"')
    _install(site, "fer_stage.methods", "packaged = my_package.code:MyHead", source)
    _without_methods()
    trained = stages.train("packaged", "sample-a", options={"epochs": 1}, quiet=True)
    assert [one.record.head.kind for one in trained.runs] == ["packaged"]
    assert list(stages.evaluate(trained).frame["dataset"]) == ["sample-a"]


def test_an_installed_package_offers_a_layout(project: Path, site: Path) -> None:
    _install(site, "fer_stage.layouts", "packaged = my_package.code:MyLayout", FILES["my_layout.py"])
    assert len(stages.index("mine", layout="packaged", root="data/sample-a").frame) == 60


def test_an_installed_package_offers_an_encoder(project: Path, site: Path) -> None:
    _install(site, "fer_stage.encoders", "packaged = my_package.code:MyEncoder", FILES["my_encoder.py"])
    store = stages.extract("sample-a", encoder="packaged").store
    assert store.path == Path("features/packaged/sample-a.zarr")
    stages.train("linear-probe", "sample-a", encoder="packaged", dry_run=True)


def _dvc(*words: str) -> str:
    done = subprocess.run(["dvc", *words], env=environment(), capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


GRAPH_PARAMS: dict[str, Any] = {
    "classes": 7,
    "datasets": {
        "my-faces": {"layout": "my_layout.py:MyLayout", "root": "data/drawn/sample-a", "options": {"skip": "fear"}}
    },
    "encoders": {"my-encoder": "my_encoder.py:MyEncoder"},
    "sample": {"version": 1, "images": 60, "seed": 0},
    "extract": yaml.safe_load((ROOT / "params.yaml").read_text())["extract"],
    "prompts": "clip",
    "prompt_sets": {},
    "methods": {"linear-probe": {"refinements": 0}, "my-head": {"code": HEAD, "epochs": 2}},
    "protocol": {"test_split": "test", "drop_other_labels": False},
    "run": {
        "samples": ["sample-a"],
        "datasets": ["my-faces"],
        "train": ["my-faces"],
        "encoders": ["my-encoder"],
        "methods": ["linear-probe", "my-head"],
        "folds": {},
        "seeds": [0],
    },
}


def _start_graph(folder: Path) -> None:
    """The three files of the page with the repository's own dvc.yaml, in the current folder."""
    for name in ("dvc.yaml", ".dvcignore", "pipeline/versions.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name, source in FILES.items():
        (folder / name).write_text(source)
    Path("params.yaml").write_text(yaml.safe_dump(GRAPH_PARAMS))


def _depend_on(files: Iterable[str]) -> None:
    """Name files where the page says: `deps` of the stage `code`."""
    text = (ROOT / "dvc.yaml").read_text()
    assert text.count("deps: []") == 1
    Path("dvc.yaml").write_text(text.replace("deps: []", f"deps: [{', '.join(files)}]"))


def _changed(name: str) -> set[str]:
    """The stages that DVC would run, after those that run first, when a file has one line more."""
    with Path(name).open("a") as file:
        file.write("# changed\n")
    assert _stages(_dvc("repro", "code")) == {"code"}
    return set(json.loads(_dvc("status", "--json")))


def _stages(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.mark.slow
@pytest.mark.dvc
def test_a_head_an_encoder_and_a_layout_of_files_go_through_dvc_repro(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed head file runs its own heads again and nothing else; the two other files run what reads them."""
    monkeypatch.chdir(tmp_path)
    _start_graph(tmp_path)
    _depend_on(FILES)
    _dvc("init", "--no-scm", "--quiet")
    trained = {f"train@my-encoder-{method}" for method in ("linear-probe", "my-head")}
    encoded = {"extract@my-encoder-my-faces", "encode-text@my-encoder"}
    scored = {"evaluate@my-encoder"}
    made = {"draw", "code", "index@my-faces", "align@my-faces", *encoded, *trained, *scored, "report"}
    assert _stages(_dvc("repro")) == made
    run_json = Path("runs/my-encoder/my-head/my-faces/seed-0/run.json")
    first = json.loads(run_json.read_text())
    assert first["encoder_identity"]["encoder"]["code"] == hashlib.sha256(FILES["my_encoder.py"].encode()).hexdigest()
    assert "my-head" in Path("reports/tables/matrix.csv").read_text()
    assert _stages(_dvc("repro")) == set()
    with Path("my_head.py").open("a") as file:
        file.write("# changed\n")
    again = {"code", "train@my-encoder-my-head", "evaluate@my-encoder", "report"}
    assert _stages(_dvc("repro")) == again
    assert json.loads(run_json.read_text())["run_key"] != first["run_key"]
    assert _changed("my_layout.py") == {"index@my-faces"}
    assert _changed("my_encoder.py") == {"index@my-faces", *encoded}


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("my_layout.py", "datasets.my-faces"),
        ("my_encoder.py", "encoders.my-encoder"),
        ("my_head.py", "methods.my-head"),
    ],
)
def test_a_file_that_dvc_does_not_watch_is_named(project: Path, missing: str, field: str) -> None:
    _start_graph(project)
    _depend_on([name for name in FILES if name != missing])
    with pytest.raises(ParamsError, match=rf"{field}: expected {missing} among the `deps` of the stage `code`"):
        stages.code()
    _depend_on(["."])
    stages.code()


def test_code_states_the_file_of_each_name_and_runs_none(project: Path) -> None:
    sources = {name: f"raise SystemExit({name!r})\n" for name in FILES}
    for name, source in sources.items():
        Path(name).write_text(source)
    Path("params.yaml").write_text(yaml.safe_dump(GRAPH_PARAMS))
    result = stages.code()
    digests = {name: hashlib.sha256(source.encode()).hexdigest() for name, source in sources.items()}
    versions = {
        "datasets": {"my-faces": digests["my_layout.py"]},
        "encoders": {"my-encoder": digests["my_encoder.py"]},
        "methods": {"linear-probe": method_version("linear-probe"), "my-head": digests["my_head.py"]},
    }
    assert json.loads(result.path.read_text()) == versions
    assert dict(zip(result.frame["name"], result.frame["code"], strict=True)) == {
        "my-faces": "my_layout.py:MyLayout", "my-encoder": ENCODER, "linear-probe": "", "my-head": HEAD
    }  # fmt: skip


def test_code_states_the_file_of_an_installed_package_and_runs_it_not(project: Path, site: Path) -> None:
    source = "raise SystemExit('it was run')\n"
    _install(site, "fer_stage.methods", "packaged = my_package.code:MyHead", source)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"methods": {"packaged": {}}}))
    row = stages.code().frame.set_index("name").loc["packaged"]
    assert dict(row) == {"block": "methods", "code": "packaged", "version": hashlib.sha256(source.encode()).hexdigest()}


MINE = {"layout": "my_layout.py:MyLayout", "root": "data/sample-a", "options": {"skip": "fear"}}


def test_a_layout_of_a_file_is_indexed(project: Path, fer_stage: FerStage) -> None:
    command = ("index", "--dataset", "mine", "--layout", MINE["layout"], "--root", "data/sample-a")
    summary = fer_stage(*command, "--option", "skip=fear", "--format", "json")
    assert summary["labels"]["fear"] == 0
    assert summary["excluded"] == {"skipped": 4}
    table = stages.index("mine", layout=MINE["layout"], root="data/sample-a")
    assert table.frame["label"].value_counts()["fear"] == 4


def test_a_changed_layout_is_indexed_again(project: Path, fer_stage: FerStage, capsys: Any) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"datasets": {"mine": MINE}}))
    stages.index("mine")
    stages.extract("mine", dry_run=True)
    assert "again" not in capsys.readouterr().err
    Path("my_layout.py").write_text(FILES["my_layout.py"].replace("== options.skip", "in (options.skip, 'anger')"))
    result = stages.extract("mine")
    assert "indexing mine again: layout_sha256 was" in capsys.readouterr().err
    assert "anger" not in result.store.labels("train")


def test_a_table_chooses_no_code_that_is_run(project: Path, capsys: Any) -> None:
    stages.index("mine", layout=MINE["layout"], root="data/sample-a")
    Path("my_layout.py").write_text("raise SystemExit('it was run')")
    stages.extract("mine", dry_run=True)
    assert "again" not in capsys.readouterr().err


def test_an_error_of_a_layout_names_its_line(project: Path, fer_stage: FerStage) -> None:
    Path("my_layout.py").write_text(FILES["my_layout.py"].replace('line["split"] for', 'line["fold"] for'))
    command = ("index", "--dataset", "mine", "--layout", MINE["layout"], "--root", "data/sample-a")
    assert re.search(r"my_layout\.py:\d+: KeyError: 'fold'", fer_stage(*command, code=1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class Options", "class Other", r"expected a layout, with `Options`"),
        ('    name = "my-layout"\n', "", "expected texts as `name` and `summary`"),
    ],
)
def test_what_is_no_layout_is_refused(project: Path, old: str, new: str, message: str) -> None:
    Path("my_layout.py").write_text(FILES["my_layout.py"].replace(old, new))
    with pytest.raises(ConfigError, match=message):
        stages.index("mine", layout=MINE["layout"], root="data/sample-a")


ENCODER = "my_encoder.py:MyEncoder"


def test_an_encoder_of_a_file_is_extracted_trained_on_and_predicts(project: Path, fer_stage: FerStage) -> None:
    store = stages.extract("sample-a", encoder=ENCODER).store
    assert store.path == Path("features/my_encoder-MyEncoder/sample-a.zarr")
    assert store.width() == 512
    fer_stage("train", "--method", "linear-probe", "--dataset", "sample-a", "--encoder", ENCODER)
    run_folder = "runs/my_encoder-MyEncoder/linear-probe/sample-a/seed-0"
    fer_stage("evaluate", "--run", run_folder)
    picture = str(next(Path("data/sample-a/images").iterdir()))
    assert fer_stage("predict", picture, "--run", run_folder, "--encoder", ENCODER, "--format", "json", "--quiet")


def test_an_encoder_of_params_yaml_is_known_by_its_name_and_two_processes_have_one(project: Path) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"encoders": {"mini": "mini", "mine": ENCODER}}))
    first = stages.extract("sample-a", encoder="mine").store
    features = first.features("test")
    command = [Path(sys.executable).parent / "fer-stage", "extract", "--dataset", "sample-a", "--encoder", "mine"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["encoded"] == 0
    assert features.shape[1] == 512


def test_a_changed_encoder_refuses_its_earlier_store(project: Path) -> None:
    key = stages.extract("sample-a", encoder=ENCODER).store.key
    source = FILES["my_encoder.py"].replace("return self.network(images)", "return self.network(images) * 2")
    Path("my_encoder.py").write_text(source)
    with pytest.raises(StageError, match=r"found features of another encoder.*code"):
        stages.train("linear-probe", "sample-a", encoder=ENCODER)
    assert stages.extract("sample-a", encoder=ENCODER).store.key != key


def test_a_run_and_a_store_choose_no_encoder_that_is_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages.extract("sample-a", encoder=ENCODER)
    trained = stages.train("linear-probe", "sample-a", encoder=ENCODER)
    monkeypatch.setattr(file_family, "_ALLOWED", set())  # as in another process
    with pytest.raises(EncoderError, match="a Python file is run only if you name it"):
        stages.predict("data/sample-a/images", run=trained.folders[0])


TEXT = "my_text_encoder.py:MyTextEncoder"
KEFER = ("train", "--method", "kefer", "--option", "projection=linear", "--option", "epochs=1", "--dataset", "sample-a")


def test_an_encoder_of_texts_alone_gives_text_to_heads_and_no_features(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    assert stages.encode_text(TEXT).vectors.shape[1:] == (8, 64)
    fer_stage(*KEFER, "--encoder", "mini", "--text", TEXT)
    with pytest.raises(EncoderError, match="file:MyTextEncoder reads sentences only, no images"):
        stages.extract("sample-a", encoder=TEXT)
    Path("my_text_encoder.py").write_text(FILES["my_text_encoder.py"] + "# changed\n")
    assert "is older than what it is made of: code" in fer_stage(*KEFER, "--encoder", "mini", "--text", TEXT, code=1)


def test_an_encoder_of_images_alone_gives_no_text(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    with pytest.raises(EncoderError, match="file:MyEncoder has no text tower"):
        stages.encode_text(ENCODER)
    assert stages.encode_text(ENCODER, if_any=True).templates == ()
    stages.extract("sample-a", encoder=ENCODER)
    message = fer_stage(*KEFER, "--encoder", ENCODER, code=1)
    assert "the encoder `my_encoder.py:MyEncoder` has no text tower, and kefer needs text" in message


def test_an_encoder_of_both_compares_images_with_its_own_text(project: Path, fer_stage: FerStage) -> None:
    _without_methods()
    text = FILES["my_text_encoder.py"].replace("import torch\nfrom torch import nn\n", "")
    text = text.replace("256, 64", "256, 512").replace("MyTextEncoder(nn.Module)", "Both(MyEncoder)")
    text = text.replace("super().__init__()", "super().__init__(weights)")
    Path("both.py").write_text(FILES["my_encoder.py"] + text)
    both = "both.py:Both"
    store = stages.extract("sample-a", encoder=both).store
    fer_stage("train", "--method", "zero-shot", "--dataset", "sample-a", "--encoder", both, code=1)  # no text yet
    assert stages.encode_text(both).vectors.shape[2] == store.width() == 512
    fer_stage("train", "--method", "zero-shot", "--dataset", "sample-a", "--encoder", both)
    nearest = fer_stage("query", str(store.path), "--near", "a happy face", "--encoder", both, "--format", "json")
    assert len(nearest) == 10
    with pytest.raises(EncoderError, match=r"file:Both: prompts are learned in open_clip's own text transformers"):
        stages.train("coop", "sample-a", encoder=both, options={"epochs": 1})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return torch.stack(vectors)", "return vectors", r"expected a tensor \(P, D_t\) of P sentences .*found list"),
        ("return torch.stack(vectors)", "return vectors[0]", r"expected a tensor \(P, D_t\) of P .*found \(64,\)"),
        ("def encode_text", "def encode", r"expected `preprocess = .*of texts alone has `encode_text` instead"),
    ],
)
def test_what_is_no_encoder_of_texts_is_refused(project: Path, old: str, new: str, message: str) -> None:
    Path("my_text_encoder.py").write_text(FILES["my_text_encoder.py"].replace(old, new))
    with pytest.raises(ConfigError, match=message):
        stages.encode_text(TEXT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    preprocess =", "    other =", r"expected `preprocess = Preprocess\(size=\.\.\.\)` in the class"),
        ("self.network(images)", "self.network(images)[:, :, None]", r"expected a feature \(B, D\)"),
        ("(nn.Module)", "", "expected a class of torch.nn.Module"),
    ],
)
def test_what_is_no_encoder_is_refused(project: Path, old: str, new: str, message: str) -> None:
    Path("my_encoder.py").write_text(FILES["my_encoder.py"].replace(old, new))
    with pytest.raises(ConfigError, match=message):
        stages.extract("sample-a", encoder=ENCODER)
