"""The Python API of fer-stage, and the command line over it: a function per command, with the names of its options.

    import stages
    table = stages.index("affectnet", root="/data/AffectNet.zip")
    store = stages.extract("affectnet", encoder="open_clip:ViT-B-32-quickgelu/openai")
    runs = stages.train("feature-mask", "affectnet", seeds=range(10))
    scores = stages.evaluate(runs, datasets=["raf-db", "ferplus"])  # .frame: pandas

Importing it imports neither torch nor zarr.

api            the functions
requests       what each is asked to do          results    what each returns
workflows      one module per stage: request -> result          running    runs one, with progress
commands       one module per command: options -> request, result -> text
command_group  which commands there are, and one line about each
cli            runs a command; errors become exit codes here
params         params.yaml, read once, checked at once          yaml_files    YAML with limits
recipes        the settings of papers          names, seeds    those that are allowed
workspace      paths of tables, face tables, features, runs and reports
errors         of the stages          remedies    what ends an error, worded as commands or as calls
error_messages, shadows    what went wrong, also where another package has the name of one of ours
output, progress, streams    tables, JSON and CSV on stdout; messages and progress on stderr
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.api import (
        align,
        audit,
        browse,
        code,
        compare,
        datasets,
        describe_store,
        draw,
        encode_text,
        evaluate,
        export_head,
        extract,
        index,
        init,
        predict,
        query,
        report,
        status,
        train,
    )

__all__ = [
    "align",
    "audit",
    "browse",
    "code",
    "compare",
    "datasets",
    "describe_store",
    "draw",
    "encode_text",
    "evaluate",
    "export_head",
    "extract",
    "index",
    "init",
    "predict",
    "query",
    "report",
    "status",
    "train",
]


def __getattr__(name: str) -> Any:
    """Functions are imported when they are first used: `fer-stage --help` needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stages import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
