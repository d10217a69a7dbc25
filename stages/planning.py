"""From the options of `extract`, params.yaml and a sample table to what has to be encoded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache.backends import backend_name
from cache.store import store_path
from pipeline.encoders import load_encoder
from pipeline.progress import OnProgress
from pipeline.samples import SampleTable
from stages.encoding import Encoding, Machine
from stages.identity import prepared_as
from stages.output import say
from stages.params import ExtractParams, Params, load_params
from stages.tables import make_table, write_table
from stages.workspace import Workspace

__all__ = ["planned"]


def planned(given: Mapping[str, Any], command: str, on_progress: OnProgress) -> Encoding:
    """What `extract` has to do; the encoder is loaded before any image is read.

    Parameters
    ----------
    given : the options of `fer-stage extract`
    command : the command line, for whoever finds the store unfinished
    """
    params = load_params(given["params_path"])
    extract = _overlaid(params.extract, given)
    name, spec = params.encoder(given["encoder"] or params.run.encoders[0])
    encoder = prepared_as(load_encoder(spec, given["device"], given["runtime"]), extract)
    table, root = _table(given, params, on_progress)
    stem = given["dataset"]
    if given["limit"] and given["limit"] < len(table):
        table, stem = table.head(given["limit"]), f"{stem}.first-{given['limit']}"
    backend = given["backend"] or backend_name(Path(f"{stem}.{extract.ending}"))
    return Encoding(
        table=table,
        root=root,
        encoder_name=name,
        spec=spec,
        encoder=encoder,
        params=extract,
        target=store_path(given["features"], name, stem, backend),
        features=None if given["no_reuse"] else given["features"],
        machine=_machine(given),
        command=command,
    )


def _machine(given: Mapping[str, Any]) -> Machine:
    share = max(1, (os.cpu_count() or 1) // given["workers"])
    return Machine(
        given["device"],
        given["runtime"],
        given["batch_size"],
        given["decoders"] or share,
        given["workers"],
        given["scheduler"],
    )


def _overlaid(extract: ExtractParams, given: Mapping[str, Any]) -> ExtractParams:
    changes = {name: given[name] for name in ("views", "dtype") if given[name] is not None}
    if given["outputs"]:
        changes["outputs"] = given["outputs"].split(",")
    return extract.model_copy(update=changes)


def _table(given: Mapping[str, Any], params: Params, on_progress: OnProgress) -> tuple[SampleTable, Path]:
    """The dataset's sample table and root; it is indexed first if it never was, or if options say what it is."""
    path = Workspace(tables=given["tables"]).table(given["dataset"])
    if path.exists() and not given["layout"] and not given["root"]:
        table = SampleTable.read(path)
        return table, Path(table.info.root)
    how = params.dataset(given["dataset"], given["layout"], given["root"])
    say(f"indexing {given['dataset']} ({how.layout} at {how.root})")
    table = make_table(given["dataset"], how, params.sample, on_progress)
    if not given["dry_run"]:
        write_table(table, path)
    return table, Path(how.root)
