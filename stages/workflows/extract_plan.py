"""From the options of `extract`, params.yaml and a sample table to what has to be encoded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache.backends import backend_name
from cache.store import store_path
from pipeline.encoders import load_encoder
from pipeline.faces import Alignment
from pipeline.progress import OnProgress
from stages.errors import ParamsError
from stages.params import ExtractParams, load_params
from stages.requests import ExtractRequest
from stages.workflows.extract import Encoding, Machine
from stages.workflows.faces import face_table_path, with_faces
from stages.workflows.store_identity import prepared_as
from stages.workflows.tables import wanted_rows

__all__ = ["planned", "rows_request"]


def planned(given: Mapping[str, Any], on_progress: OnProgress) -> Encoding:
    """What `extract` has to do; the encoder is loaded before any image is read.

    Parameters
    ----------
    given : the options of `fer-stage extract`
    """
    params = load_params(given["params_path"])
    extract = _overlaid(params.extract, given)
    name, spec = params.encoder(given["encoder"] or params.run.encoders[0])
    encoder = prepared_as(load_encoder(spec, given["device"], given["runtime"], on_progress), extract)
    table, root, stem = wanted_rows(rows_request(given), params, on_progress)
    faces = None
    if extract.faces == "aligned":
        path = face_table_path(given["face_tables"], given["dataset"], stem)
        table, faces = with_faces(table, path, Alignment(extract.margin), extract.missed)
    backend = given["backend"] or backend_name(Path(f"{stem}.{extract.ending}"))
    return Encoding(
        table=table,
        root=root,
        encoder_name=name,
        spec=spec,
        encoder=encoder,
        faces=faces,
        params=extract,
        target=store_path(given["features"], name, stem, backend),
        features=None if given["no_reuse"] else given["features"],
        machine=_machine(given),
        tries_all=given["max_rejected"] >= 1,
        drop_outputs=given["drop_outputs"],
    )


def rows_request(given: Mapping[str, Any]) -> ExtractRequest:
    """Which rows the options of `fer-stage extract` are about."""
    named = ("layout", "root", "limit", "dry_run", "tables")
    return ExtractRequest(
        given["dataset"], params=given["params_path"], **{name: given[name] for name in named if given[name]}
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
    changes = {name: given[name] for name in ("views", "dtype", "faces", "margin", "missed") if given[name] is not None}
    if given["outputs"]:
        changes["outputs"] = given["outputs"].split(",")
    overlaid = extract.model_copy(update=changes)
    if overlaid.faces == "given" and (useless := [name for name in ("margin", "missed") if given[name] is not None]):
        raise ParamsError(f"--{useless[0]} is of aligned faces, and images are taken as given. Add --faces aligned")
    return overlaid
