"""The files of a new project: parameters, DVC's graph and settings, what Git ignores, a README.

They are made of those in stages/project. Its graph.yaml is the dvc.yaml of the repository: a test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from pipeline.datasets.drawn import GENERATOR_VERSION, SAMPLES
from pipeline.datasets.layouts import LAYOUTS
from pipeline.datasets.published import facts_of
from pipeline.suggestions import did_you_mean
from stages.errors import ParamsError
from stages.params import DatasetParams, Params, parse_params
from stages.requests import InitRequest
from stages.requests.projects import Role
from stages.workflows.git_ignored import gitignore_text
from stages.workflows.tables import is_drawn

__all__ = ["VERSIONS", "Project", "version_changes", "versions_text"]

VERSIONS = Path("pipeline/versions.json")  # of a project: dvc.yaml names it
_STYLES = ("sample-a", "sample-d")
_DRAWN_BELOW = "data/drawn"  # where the stage `draw` of dvc.yaml draws
_DRAWN_IMAGES = 400  # of each style: `dvc repro` takes seconds
_DVC_IGNORED = "/config.local\n/tmp\n/cache\n"  # as `dvc init` writes it


@dataclass(frozen=True)
class Project:
    """What a project is about.

    Parameters
    ----------
    folder : of the project, absolute
    datasets : how each is read; roots are relative to the project, or absolute
    roles : dataset -> train, test or both
    """

    folder: Path
    datasets: Mapping[str, DatasetParams]
    roles: Mapping[str, Role]

    @classmethod
    def of(cls, request: InitRequest) -> Project:
        """By a request; two styles of the drawn sample where it names no dataset.

        Raises
        ------
        ParamsError
            If a dataset is neither a layout nor has one, or none is trained on.
        """
        datasets = {dataset: _dataset(dataset, request) for dataset in request.datasets or _STYLES}
        roles: dict[str, Role] = {dataset: request.roles.get(dataset, "both") for dataset in datasets}
        for role, of in {"train": "trained on", "test": "tested on"}.items():
            if not _with_role(roles, role):
                raise ParamsError(f"expected a dataset that is {of}, found roles {dict(roles)}")
        return cls(request.folder.resolve(), datasets, roles)

    def files(self, *, in_git: bool) -> dict[Path, str]:
        """Path below the project -> content.

        Parameters
        ----------
        in_git : whether the project is in a Git repository; DVC needs a setting if it is not
        """
        texts = {
            Path("params.yaml"): self._params(),
            Path("dvc.yaml"): self._graph(),
            VERSIONS: versions_text(),
            Path(".dvc/config"): _shipped("dvc-config") + ("" if in_git else "    no_scm = true\n"),
            Path(".dvc/.gitignore"): _DVC_IGNORED,
            Path(".dvcignore"): _shipped("dvcignore"),
            Path(".gitignore"): gitignore_text(_shipped("gitignore"), self.folder, self._roots),
            Path("README.md"): self._readme(in_git=in_git),
        }
        parse_params(yaml.safe_load(texts[Path("params.yaml")]), "params.yaml")
        return texts

    @property
    def samples(self) -> list[str]:
        """The styles that `draw` draws."""
        return [name for name, source in self.datasets.items() if source.root == f"{_DRAWN_BELOW}/{name}"]

    def _params(self) -> str:
        blocks = {name: _flow(source.model_dump(exclude_defaults=True)) for name, source in self.datasets.items()}
        return _rendered(
            "params.yaml.j2",
            datasets={_flow(name): block for name, block in blocks.items()},
            names=_flow(list(self.datasets)),
            train=_flow(_with_role(self.roles, "train")),
            test=_flow(_with_role(self.roles, "test")),
            samples=_flow(self.samples),
            version=GENERATOR_VERSION,
            images=_DRAWN_IMAGES,
        )

    def _graph(self) -> str:
        graph = _shipped("graph.yaml")
        return graph if self.samples else _without_stage(graph, "draw")

    def _readme(self, *, in_git: bool) -> str:
        return _rendered("README.md.j2", name=self.folder.name, in_git=in_git, missing=dict(self._access()))

    @property
    def _roots(self) -> list[str]:
        return [source.root for source in self.datasets.values()]

    def _access(self) -> Iterator[tuple[str, str]]:
        """Where each dataset that is not drawn is expected, and how it is got."""
        for name, source in self.datasets.items():
            if source.layout != "sample":
                facts = facts_of(LAYOUTS[source.layout]) if source.layout in LAYOUTS else None
                yield source.root, facts.access if facts else f"{name}, in the layout {source.layout}"


def _dataset(name: str, request: InitRequest) -> DatasetParams:
    layout, root = request.layouts.get(name), request.roots.get(name)
    if layout is None and name not in LAYOUTS and name not in SAMPLES:
        raise ParamsError(
            f"dataset {name!r:.100}: expected the layout of its files, since its name is none: name one with --layout "
            f"{name:.100}=LAYOUT. {did_you_mean(name, [*SAMPLES, *LAYOUTS], '')}".rstrip(),
            remedy=[("datasets", {})],
            purpose="for the layouts",
        )
    source = Params().dataset(name, layout, root or f"data/{name}")
    if is_drawn(name, source) and root is None:
        return _drawn(name)
    return DatasetParams(layout=source.layout, root=source.root)


def _drawn(name: str) -> DatasetParams:
    return DatasetParams(layout="sample", root=f"{_DRAWN_BELOW}/{name}")


def _with_role(roles: Mapping[str, Role], role: str) -> list[str]:
    return [name for name, of in roles.items() if of in (role, "both")]


def versions_text() -> str:
    """What pipeline/versions.json of a project holds: versions of the stages and methods of this fer-stage."""
    return files("pipeline").joinpath("versions.json").read_text("utf-8")


def version_changes(text: str) -> dict[str, tuple[Any, Any]]:
    """Name -> version in the versions.json of a project, and now; of those that differ."""
    before, now = _flat(json.loads(text)), _flat(json.loads(versions_text()))
    return {name: (before.get(name), now.get(name)) for name in {**before, **now} if before.get(name) != now.get(name)}


def _flat(versions: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: version for name, version in versions.items() if name != "methods"}, **versions["methods"]}


def _without_stage(graph: str, stage: str) -> str:
    """The text of a dvc.yaml without one stage and the comment above it; blank lines are between stages."""
    blocks = re.split(r"\n\n(?=  [a-z#])", graph)
    head, first = re.split(r"(?<=\nstages:\n)", blocks[0])
    kept = [block for block in (first, *blocks[1:]) if not re.search(rf"^  {stage}:$", block, re.MULTILINE)]
    return head + "\n\n".join(kept)


def _flow(value: Mapping[str, Any] | Sequence[str] | str) -> str:
    """A value of YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _shipped(name: str) -> str:
    return files("stages").joinpath("project", name).read_text("utf-8")


def _rendered(template: str, **values: Any) -> str:
    import jinja2  # late: only `init` writes files

    environment = jinja2.Environment(  # no page of HTML: nothing is escaped
        loader=jinja2.PackageLoader("stages", "project"), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(values)
