"""What `init` does: the files of a new project, none of which replaces one that is there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cache.atomic import write_bytes
from cache.places.links import require_inside
from pipeline.progress import OnProgress
from stages.errors import StageError
from stages.requests import InitRequest
from stages.results import InitResult, ProjectFile
from stages.workflows.git_ignored import missing_patterns
from stages.workflows.project_files import VERSIONS, Project, versions_text

__all__ = ["init"]

_IGNORED = Path(".gitignore")


def init(request: InitRequest, _on_progress: OnProgress) -> InitResult:
    """Write what is not there, and make a Git repository of a folder that is in none, unless it is a dry run.

    Raises
    ------
    StageError
        If the folder is a file, or `versions` are asked of a folder that is no project.
    ParamsError
        If a dataset cannot be one of a params.yaml.
    """
    folder = request.folder
    if folder.exists() and not folder.is_dir():
        raise StageError(f"{folder}: expected a folder for the project, or none, found a file")
    if request.versions:
        return InitResult(folder, (_versions(request),), dry_run=request.dry_run)
    git = _git(request)
    texts = Project.of(request).files(in_git=git != "none")
    states = tuple(_state(folder, path, text) for path, text in texts.items())
    if not request.dry_run:
        for file in states:
            require_inside(folder / file.path, folder)
        for file in states:
            if file.state == "written":
                write_bytes(folder / file.path, file.text.encode())
        if git == "made":
            _call_git("init", "--quiet", str(folder))
    not_ignored = _not_ignored(folder, texts) if git != "none" else ()
    return InitResult(folder, states, git, _has_dvc(), request.dry_run, not_ignored)


def _not_ignored(folder: Path, texts: Mapping[Path, str]) -> tuple[str, ...]:
    """The patterns of .gitignore that the one of the user, which is kept, lacks."""
    path = folder / _IGNORED
    return missing_patterns(texts[_IGNORED], path.read_text("utf-8", "replace")) if path.is_file() else ()


def _state(folder: Path, path: Path, text: str) -> ProjectFile:
    """Whether a file is written, or is there already: as it would be written, or otherwise."""
    there = folder / path
    if not there.exists() and not there.is_symlink():
        return ProjectFile(path, "written", text)
    same = there.is_file() and there.read_bytes() == text.encode()
    return ProjectFile(path, "unchanged" if same else "kept", text)


def _versions(request: InitRequest) -> ProjectFile:
    """Bring the versions of a project up to date: the one file of it that is never its user's."""
    path, text = request.folder / VERSIONS, versions_text()
    if not path.is_file():
        raise StageError(
            f"{path}: expected that of a project, found none", remedy=[("init", {"folder": str(request.folder)})]
        )
    require_inside(path, request.folder)
    state = _state(request.folder, VERSIONS, text)
    if state.state == "unchanged":
        return state
    if not request.dry_run:
        write_bytes(path, text.encode())
    return ProjectFile(VERSIONS, "written", text)


def _git(request: InitRequest) -> str:
    """`there` in a Git repository, `made` where one is made, `none` without."""
    nearest = next(path for path in (request.folder.absolute(), *request.folder.absolute().parents) if path.is_dir())
    if any((path / ".git").exists() for path in (nearest, *nearest.parents)):
        return "there"
    return "made" if request.git and shutil.which("git") else "none"


def _has_dvc() -> bool:
    return shutil.which("dvc") is not None or importlib.util.find_spec("dvc") is not None


def _call_git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError(f"git {' '.join(arguments)}: expected a new repository, found: {done.stderr.strip()}")
