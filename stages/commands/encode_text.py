"""fer-stage encode-text: prompts -> vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stages.commands.options import (
    device_option,
    features_option,
    follow_links_option,
    format_option,
    params_path_option,
    quiet_option,
)
from stages.output import echo_record, say

if TYPE_CHECKING:
    from cache.places import Place

__all__ = ["command"]


@click.command("encode-text")
@click.option("--encoder", help="Name from params.yaml, or FAMILY:ARCH...  [default: the first of params.yaml]")
@click.option("--prompts", help="Prompt set: kefer, clip...  [default: params.yaml]")
@click.option("--if-any", is_flag=True, help="An encoder without a text tower gets an empty set instead of an error.")
@click.option("--dry-run", is_flag=True, help="Print what would be encoded; write nothing.")
@features_option
@device_option
@params_path_option
@follow_links_option
@format_option
@quiet_option
def command(
    encoder: str | None,
    prompts: str | None,
    if_any: bool,
    dry_run: bool,
    features: Place,
    device: str,
    params_path: Path,
    output_format: str,
    quiet: bool,
) -> None:
    """Encode every prompt template with every class name (all eight) through the frozen text tower.

    Every template's vector is kept; a head chooses one or averages them.
    """
    from cache.links import require_inside
    from cache.texts import TextStore, text_key, text_path
    from pipeline.encoders import load_encoder
    from pipeline.prompts import encode_prompts
    from pipeline.tables.labels import EXPRESSIONS
    from stages.params import load_params
    from stages.progress import shown_progress
    from stages.workflows.store_identity import provenance_of
    from stages.workflows.text_vectors import encode_text_command, text_identity

    params = load_params(params_path)
    name, spec = params.encoder(encoder or params.run.encoders[0])
    prompt_set = prompts or params.prompts
    path = text_path(features, name, prompt_set)
    require_inside(path, features)
    with shown_progress(quiet=quiet) as on_progress:
        loaded = load_encoder(spec, device, on_progress=on_progress)
    if loaded.note:
        say(f"note: {loaded.note}")
    # dvc.yaml is one graph for every encoder; without text, a head that needs it says so when it is trained.
    known = params.templates(prompt_set)  # a name without templates is no prompt set, and no file
    wanted = () if if_any and not loaded.has_text else known
    text = text_identity(loaded, wanted) if wanted else {}
    key = text_key(wanted, EXPRESSIONS, loaded.identity, text)
    if _key_of(path, encode_text_command(encoder or name, prompt_set)) == key:
        say(f"{path} is up to date")
    elif not dry_run:
        vectors = encode_prompts(loaded, wanted, EXPRESSIONS)
        made_by = provenance_of(loaded, name, spec)
        TextStore(vectors, wanted, EXPRESSIONS, dict(loaded.identity), made_by, text).write(path)
    summary = {
        "encoder": name,
        "prompts": prompt_set,
        "templates": len(wanted),
        "classes": list(EXPRESSIONS),
        "key": key,
        "path": str(path),
        "note": loaded.note,
    }
    echo_record(summary, output_format)


def _key_of(path: Place, command: str) -> str:
    """The key of the vectors that are there; empty if there are none, or an earlier fer-stage wrote them.

    Parameters
    ----------
    command : this one, for messages
    """
    from cache.errors import OutdatedTextsError, StoreMissingError
    from cache.texts import TextStore

    try:
        return TextStore.read(path, command).key
    except StoreMissingError:
        return ""
    except OutdatedTextsError:
        say(f"{path} is of an earlier fer-stage, without a digest of its vectors: it is encoded again")
        return ""
