"""What refers to which store: DVC's files, the matrix of params.yaml, and the runs of a project.

What cannot be read is an error: a store is removed only if it is known that nothing refers to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.backends import BACKENDS
from cache.places import AnyPath, as_path
from cache.upkeep.cleanup import References, canonical_path
from pipeline.records import read_run
from stages.errors import StageError
from stages.params import load_params
from stages.workflows.scores_file import read_scores
from stages.workspace import scores_path
from stages.yaml_files import YAML_ERRORS, read_yaml

__all__ = ["find_references"]

_SKIPPED = {"node_modules", "__pycache__"}
_STORES = tuple(backend.suffix for backend in BACKENDS.values())


def find_references(root: AnyPath, params: Path) -> References:
    """Everything in the projects around the current folder and around `root` that needs a store.

    Parameters
    ----------
    root : features root
    params : file of a matrix; that of the params.yaml nearest to `root` counts too

    Raises
    ------
    StageError, InputError
        If a file cannot be read, or if there is none at all: then it is unknown what is needed.
    """
    around = [Path.cwd(), *([root.resolve().parent] if isinstance(root, Path) else [])]
    matrices = {path.resolve() for folder in around if (path := _nearest(folder, params))}
    projects = _projects([*around, *(path.parent for path in matrices)])
    parts = [_of_matrix(path) for path in sorted(matrices)]
    parts += [_of_file(file) for project in sorted(projects) for file in _files(project)]
    references = References(*(_joined(maps) for maps in zip(*((p.paths, p.keys, p.names) for p in parts), strict=True)))
    if not (references.paths or references.keys or references.names):
        raise StageError(
            f"nothing names the stores that are needed: expected {params}, dvc.lock, .dvc files or run.json around "
            f"{' or '.join(map(str, around))}, found none. Run it in the project that the stores belong to"
        )
    return references


def _joined(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: why for part in parts for name, why in part.items()}


def _nearest(folder: Path, params: Path) -> Path | None:
    """The parameters of the project that a folder is in."""
    return next((up / params for up in (folder, *folder.parents) if (up / params).is_file()), None)


def _projects(around: Sequence[Path]) -> set[Path]:
    """For each folder the nearest one above it that is a project of DVC or Git, else the folder itself."""
    return {next((up for up in (folder, *folder.parents) if _is_project(up)), folder).resolve() for folder in around}


def _is_project(folder: Path) -> bool:
    return (folder / ".dvc").is_dir() or (folder / ".git").exists()


def _files(project: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(project):
        folders[:] = [f for f in folders if not (f.startswith(".") or f in _SKIPPED or f.endswith(_STORES))]
        yield from (Path(folder, name) for name in sorted(names) if name in ("dvc.lock", "run.json") or _is_dvc(name))


def _is_dvc(name: str) -> bool:
    return name.endswith(".dvc") and name != ".dvc"


def _of_file(file: Path) -> References:
    if file.name == "run.json":
        return _of_run(file)
    return References(paths={canonical_path(path): f"{file} tracks it" for path in _tracked(file)})


def _tracked(file: Path) -> Iterator[AnyPath]:
    """What a dvc.lock or a .dvc file names as output or dependency. Names are relative to a stage's working folder."""
    try:
        stages = _dvc_stages(file)
        names = [(_wdir(file, name, stage), path) for name, stage in stages.items() for path in _outs_and_deps(stage)]
    except (*YAML_ERRORS, OSError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise StageError(
            f"{file} cannot be read ({error}): repair it first, it names stores that are needed"
        ) from error
    return (as_path(path) if "://" in path else file.parent / wdir / path for wdir, path in names if _is_known(path))


def _dvc_stages(file: Path) -> dict[str, Any]:
    """Name -> stage; a .dvc file is one stage without a name, a lock of an old schema has no header."""
    content = _read_yaml(file)
    if file.name != "dvc.lock":
        return {"": content}
    return (content.get("stages") or {}) if "schema" in content else content


def _read_yaml(file: Path) -> dict[str, Any]:
    return read_yaml(file) or {}


def _outs_and_deps(stage: Mapping[str, Any]) -> list[str]:
    return [_path(entry["path"]) for part in ("outs", "deps") for entry in stage.get(part) or []]


def _path(value: object) -> str:
    """A text that can name a file. ValueError if none can have that name."""
    text = str(value)
    if b"\0" in os.fsencode(text):  # which raises for what UTF-8 cannot write
        raise ValueError(f"expected a path, found {text!r}: no file can have that name")
    return text


def _wdir(file: Path, name: str, stage: Mapping[str, Any]) -> str:
    """Where a stage works, relative to its file: a .dvc file has it itself, dvc.yaml that of dvc.lock."""
    if file.name == "dvc.lock":
        definitions = file.with_name("dvc.yaml")
        stages = _read_yaml(definitions).get("stages") or {} if definitions.is_file() else {}
        stage = stages.get(name.partition("@")[0]) or {}
        stage = stage.get("do") or stage  # of a foreach
    wdir = _path(stage.get("wdir", "."))
    if "${" in wdir:
        raise StageError(f"{file}: the working folder of {name} is {wdir}: pin the stores that it needs, one by one")
    return wdir


def _is_known(name: str) -> bool:
    protocol, slashes, _rest = name.partition("://")
    return not slashes or protocol == "s3"


def _of_run(file: Path) -> References:
    """The store that a head was trained on, by its key, and those that it was scored on, which scores know by name."""
    run, path = read_run(file), scores_path(file.parent)
    scores = read_scores(path) if path else ()
    names = {f"{run.encoder}/{score.dataset}": f"{path}: a head was scored on it" for score in scores}
    return References(keys={run.key: f"{file}: a head was trained on it"}, names=names)


def _of_matrix(path: Path) -> References:
    run = load_params(path).run
    pairs = [f"{encoder}/{dataset}" for encoder in run.encoders for dataset in run.datasets]
    return References(names=dict.fromkeys(pairs, f"the matrix of {path}"))
