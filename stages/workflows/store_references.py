"""Who needs which store: DVC's files, the matrix of params.yaml, and the runs of a project.

Whatever cannot be read is an error: what is not known to be unneeded is not removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.backends import BACKENDS
from cache.places import Place, place
from cache.upkeep.cleanup import References, canonical_path
from pipeline.saved import read_record
from stages.errors import StageError
from stages.params import load_params
from stages.workflows.scores_file import read_entries
from stages.workspace import scores_path
from stages.yaml_files import YAML_ERRORS, read_yaml

__all__ = ["references"]

_SKIPPED = {"node_modules", "__pycache__"}
_STORES = tuple(backend.suffix for backend in BACKENDS.values())


def references(root: Place, params_path: Path) -> References:
    """Everything in the projects around the current folder and around `root` that needs a store.

    Parameters
    ----------
    root : features root
    params_path : a matrix; that of the params.yaml nearest to `root` counts too

    Raises
    ------
    StageError, InputError
        If a file cannot be read, or if there is none at all: then nothing says what is needed.
    """
    around = [Path.cwd(), *([root.resolve().parent] if isinstance(root, Path) else [])]
    matrices = {path.resolve() for folder in around if (path := _nearest(folder, params_path))}
    projects = _projects([*around, *(path.parent for path in matrices)])
    parts = [_of_matrix(path) for path in sorted(matrices)]
    parts += [_of_file(file) for project in sorted(projects) for file in _files(project)]
    found = References(*(_joined(maps) for maps in zip(*((p.paths, p.keys, p.names) for p in parts), strict=True)))
    if not (found.paths or found.keys or found.names):
        raise StageError(
            f"nothing says which stores are needed: found no {params_path}, dvc.lock, .dvc file or run.json around "
            f"{' or '.join(map(str, around))}. Run it in the project that the stores belong to"
        )
    return found


def _joined(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: why for part in parts for name, why in part.items()}


def _nearest(folder: Path, params_path: Path) -> Path | None:
    """The parameters of the project that a folder is in."""
    return next((up / params_path for up in (folder, *folder.parents) if (up / params_path).is_file()), None)


def _projects(around: Sequence[Path]) -> set[Path]:
    """For each folder the nearest one above it that DVC or Git calls a project, else the folder itself."""
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


def _tracked(file: Path) -> Iterator[Place]:
    """What a dvc.lock or a .dvc file names as output or dependency. Names are relative to a stage's working folder."""
    try:
        found = [(_wdir(file, stage, said), name) for stage, said in _dvc_stages(file).items() for name in _named(said)]
    except (*YAML_ERRORS, OSError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise StageError(f"{file} cannot be read ({error}): mend it first, it says which stores are needed") from error
    return (place(name) if "://" in name else file.parent / wdir / name for wdir, name in found if _is_known(name))


def _dvc_stages(file: Path) -> dict[str, Any]:
    """Name -> what DVC says of the stage; a .dvc file is one without a name, a lock of an old schema has no header."""
    said = _read_yaml(file)
    if file.name != "dvc.lock":
        return {"": said}
    return (said.get("stages") or {}) if "schema" in said else said


def _read_yaml(file: Path) -> dict[str, Any]:
    return read_yaml(file) or {}


def _named(stage: Mapping[str, Any]) -> list[str]:
    return [_path(entry["path"]) for part in ("outs", "deps") for entry in stage.get(part) or []]


def _path(value: object) -> str:
    """A text that can name a file. ValueError if none can have that name."""
    text = str(value)
    if b"\0" in os.fsencode(text):  # which raises for what UTF-8 cannot write
        raise ValueError(f"expected a path, found {text!r}: no file can have that name")
    return text


def _wdir(file: Path, stage: str, said: Mapping[str, Any]) -> str:
    """Where a stage works, from its folder: a .dvc file says it itself, that of dvc.lock stands in dvc.yaml."""
    if file.name == "dvc.lock":
        beside = file.with_name("dvc.yaml")
        stages = _read_yaml(beside).get("stages") or {} if beside.is_file() else {}
        said = stages.get(stage.partition("@")[0]) or {}
        said = said.get("do") or said  # of a foreach
    wdir = _path(said.get("wdir", "."))
    if "${" in wdir:
        raise StageError(f"{file}: the working folder of {stage} is {wdir}: pin the stores that it needs, one by one")
    return wdir


def _is_known(name: str) -> bool:
    protocol, slashes, _rest = name.partition("://")
    return not slashes or protocol == "s3"


def _of_run(file: Path) -> References:
    """The store that a head was trained on, by its key, and those that it was scored on, which scores know by name."""
    run = read_record(file.parent)
    places = (scores_path(file.parent), file.with_name("scores.json"))  # the second: scores of older versions
    names = {
        f"{run.get('encoder')}/{dataset}": f"{path}: a head was scored on it"
        for path in places
        if path is not None
        for dataset in (entry["dataset"] for entry in read_entries(path))
    }
    return References(keys={str(run.get("key")): f"{file}: a head was trained on it"}, names=names)


def _of_matrix(path: Path) -> References:
    run = load_params(path).run
    pairs = [f"{encoder}/{dataset}" for encoder in run.encoders for dataset in run.datasets]
    return References(names=dict.fromkeys(pairs, f"the matrix of {path}"))
