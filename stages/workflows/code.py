"""What `code` does: what DVC compares of the methods, encoders and layouts that params.yaml names -> one JSON file.

DVC cannot depend on a file that only some entries of a matrix have. So one stage, which depends on all files of one's
own, writes a version for each name; other stages depend on those of the names that they use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from cache.atomic import write_bytes
from cache.places.links import require_inside
from pipeline.datasets.layouts.own import GROUP as LAYOUTS
from pipeline.encoders.spec import FILE, EncoderSpec
from pipeline.encoders.spec import GROUP as ENCODERS
from pipeline.errors import ConfigError
from pipeline.methods import METHODS
from pipeline.methods.own import GROUP as OWN_METHODS
from pipeline.plugins import is_reference, source_file, source_sha256
from pipeline.progress import OnProgress
from pipeline.regular_files import read_json
from pipeline.versions import method_version
from stages.errors import ParamsError
from stages.params import Params, load_params
from stages.requests import CodeRequest
from stages.results import CodeResult, NamedCode
from stages.yaml_files import YAML_ERRORS, read_yaml

__all__ = ["code"]

_BLOCKS = ("datasets", "encoders", "methods")
_VERSIONS, _GRAPH = Path("pipeline/versions.json"), Path("dvc.yaml")  # of the project, as DVC reads them


def code(request: CodeRequest, _on_progress: OnProgress) -> CodeResult:
    """Write TABLES/code.json, `{block: {name: version}}`. No file of one's own is run.

    Raises
    ------
    ParamsError
        If the stage `code` of dvc.yaml does not depend on one of the files: DVC would not see that it changes.
    ConfigError
        If a file cannot be read.
    """
    path = request.tables / "code.json"
    require_inside(path, request.tables)
    named = tuple(_named(load_params(request.params)))
    _require_dependencies(named)
    versions = {block: {one.name: one.version for one in named if one.block == block} for block in _BLOCKS}
    write_bytes(path, f"{json.dumps(versions, indent=2, sort_keys=True)}\n".encode())
    return CodeResult(named, path)


def _named(params: Params) -> Iterator[NamedCode]:
    for name, dataset in params.datasets.items():
        yield _named_code("datasets", name, LAYOUTS, dataset.layout)
    for name, text in params.encoders.items():
        spec = EncoderSpec.parse(text)
        yield _named_code("encoders", name, ENCODERS, spec.architecture if spec.family == FILE else "")
    versions = _method_versions()
    for name in dict.fromkeys([*params.methods, *params.run.methods]):
        if name in METHODS:
            yield NamedCode("methods", name, "", versions.get(name) or method_version(name))
        else:
            yield _named_code("methods", name, OWN_METHODS, params.own_methods.get(name, name))


def _named_code(block: str, name: str, group: str, written: str) -> NamedCode:
    sha256 = source_sha256(group, written)
    return NamedCode(block, name, written if sha256 else "", sha256 or "built in")


def _method_versions() -> dict[str, int]:
    """Those of the project's versions.json, which DVC tracks; empty if it has none."""
    if not _VERSIONS.exists():
        return {}
    try:
        versions: dict[str, int] = dict(read_json(_VERSIONS)["methods"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{_VERSIONS}: expected JSON with `methods`, found other content. Copy it again") from error
    return versions


def _require_dependencies(named: Sequence[NamedCode]) -> None:
    listed = _dependencies()
    if listed is None or any("${" in path for path in listed):
        return
    watched = {Path(path).resolve() for path in listed}
    for one in named:
        path = source_file("", one.code) if is_reference(one.code) else None
        if path and not watched & {path.resolve(), *path.resolve().parents}:
            raise ParamsError(
                f"{one.block}.{one.name}: expected {path} among the `deps` of the stage `code` in {_GRAPH}, found "
                f"{', '.join(listed) or 'none'}: DVC would not see that the file changes. Add it there"
            )


def _dependencies() -> list[str] | None:
    """What the stage `code` of dvc.yaml depends on; None where there is no such stage."""
    if not _GRAPH.is_file():
        return None
    try:
        stage = read_yaml(_GRAPH)["stages"]["code"]
        return [str(path) for path in stage.get("deps") or ()]
    except (*YAML_ERRORS, OSError, KeyError, TypeError, AttributeError):
        return None
