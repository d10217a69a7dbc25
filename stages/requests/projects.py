"""Requests of init and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from stages.requests.fields import CONFIG, FolderOrBucket, PathLike, Request, Texts, default

__all__ = ["InitRequest", "Role", "StatusRequest"]

Role = Literal["train", "test", "both"]


@dataclass(frozen=True, config=CONFIG)
class InitRequest(Request):
    """Start a project: params.yaml, dvc.yaml, what DVC and Git need, a README. No file that is there is changed.

    Parameters
    ----------
    folder : of the project; made if it is missing
    datasets : their names; by default two styles of the drawn sample
    layouts : dataset -> how it is laid out; by default the layout of its name
    roots : dataset -> folder, archive or shard; by default data/DATASET. Relative ones are below the project
    roles : dataset -> train, test or both; by default both
    git : whether a folder that is in no Git repository becomes one, where Git is installed
    versions : only bring pipeline/versions.json of a project up to this fer-stage
    """

    folder: PathLike = default(Path())
    _: KW_ONLY
    datasets: Texts = default(())
    layouts: Mapping[str, str] = field(default_factory=dict)
    roots: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    git: bool = True
    versions: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        for what, named in (("layouts", self.layouts), ("roots", self.roots), ("roles", self.roles)):
            if unknown := [name for name in named if name not in self.datasets]:
                raise ValueError(f"`{what}`: expected names of `datasets`, found {', '.join(unknown)}")
        if self.versions and self.datasets:
            raise ValueError("`versions` changes no params.yaml: expected no `datasets`")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class StatusRequest:
    """Compare every output of the matrix of params.yaml with what would be made now; nothing is made or written.

    Parameters
    ----------
    tables, face_tables, runs, reports, audits : folders of what the stages write
    """

    tables: PathLike = default(Path("tables"))
    face_tables: PathLike = default(Path("faces"))
    features: FolderOrBucket = default(Path("features"))
    runs: PathLike = default(Path("runs"))
    audits: PathLike = default(Path("audits"))
    reports: PathLike = default(Path("reports"))
    device: str = "auto"
    quiet: bool = False
    params: PathLike = default(Path("params.yaml"))
