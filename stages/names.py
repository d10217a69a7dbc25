"""Names of datasets, encoders and prompt sets, which become names of files, folders and DVC stages."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from cache.places.names import is_path_part
from stages.errors import ParamsError

__all__ = [
    "FIGURES",
    "RULE",
    "SCORES",
    "check_name",
    "colliding_stages",
    "legal_name",
    "name_problems",
    "parse_limited_name",
    "path_part",
    "variant_name",
]

SCORES = "scores"
"""Folder of the scores below the runs root, next to the encoders' folders: no encoder may have this name."""

FIGURES = ("ranking", "sensitivity", "confusion", "reliability", "features")
"""The figures that `report` draws for a paper."""

RULE = "a-z, A-Z, 0-9, `_` and `-`, a letter or digit first, at most 100 characters"
_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
# Of a dataset that no list below `run` names: it becomes a file, but no stage of DVC.
_FILE_NAME = re.compile(r"[A-Za-z0-9=+@|(),%^!][A-Za-z0-9_=+@|(),%^!-]{0,99}")
_RESERVED = {"encoder": frozenset({SCORES})}  # runs/scores/ holds the scores of all encoders
# Combinations that are stages in dvc.yaml. DVC joins their values with `-`; of two with one name it runs only one.
_MATRICES = (("encoders", "datasets"), ("encoders", "methods"), ("encoders", "methods", "datasets", "seeds"))
_N_EXAMPLES = 3
_MAX_RUNS = 100_000  # of the matrix; each combination is checked
_NOT_OF_VARIANT = re.compile(r"[^A-Za-z0-9_.,=+-]+")
_MAX_VARIANT = 150  # characters


def check_name(kind: str, name: str, where: str = "", taken: Iterable[str] = (), *, in_graph: bool = True) -> None:
    """Refuse a name that is not allowed for files or DVC.

    Parameters
    ----------
    kind : `dataset`, `encoder` or `prompt set`
    name : as it was written
    where : the file or option that holds it
    taken : other names of this kind, which are not recommended
    in_graph : whether stages of DVC are named after it, which allows fewer characters

    Raises
    ------
    ValueError
        What was expected, found and where, with a name that would be right.
    """
    if problem := _problem(kind, name, where, taken, in_graph):
        raise ValueError(problem)


def name_problems(kind: str, names: Sequence[str], where: str, outside: Collection[str] = ()) -> list[str]:
    """All problems of the names of one kind, each as a sentence; two names that differ in case only are a problem, too.

    Parameters
    ----------
    outside : those of `names` that are in no stage of DVC
    """
    problems = [problem for name in names if (problem := _problem(kind, name, where, names, name not in outside))]
    by_case: dict[str, list[str]] = {}
    for name in names:
        by_case.setdefault(name.casefold(), []).append(name)
    for same in by_case.values():
        if len(set(same)) > 1:
            both = " and ".join(repr(name) for name in dict.fromkeys(same))
            problems.append(
                f"{where}: {both} differ in upper and lower case only, and are one file on macOS and Windows. "
                f"Rename one, for example to {legal_name(kind, same[-1] + '-2', names)!r}"
            )
    return problems


def _problem(kind: str, name: str, where: str, taken: Iterable[str], in_graph: bool) -> str | None:
    if name.casefold() in _RESERVED.get(kind, ()):
        actual = f"{name!r}, which is the name of a folder of fer-stage"
    elif not (_STAGE_NAME if in_graph else _FILE_NAME).fullmatch(name):
        actual = repr(name)
    else:
        return None
    prefix = f"{where}: " if where else ""
    return (
        f"{prefix}expected a plain name of the {kind} ({RULE}), found {actual}. Write {legal_name(kind, name, taken)!r}"
    )


def path_part(kind: str, name: str) -> str:
    """`name` itself, where it becomes one folder or file of a path; ParamsError if it would lead elsewhere.

    Parameters
    ----------
    kind : `dataset`, `encoder`, `method` or `variant`
    name : also one that earlier versions accepted, or that `--limit` made
    """
    if not is_path_part(name):
        raise ParamsError(
            f"expected a plain name of the {kind} ({RULE}), found {name!r:.100}. Write {legal_name(kind, name)!r}"
        )
    return name


def variant_name(text: str) -> str:
    """The folder of a run whose options are `text`, such as `beta_div=5,lambda_sep=0.5`: one part of a path.

    A value may hold any character. Those that a plain name cannot hold become `-`, and the name then ends with a digest
    of the whole text, so that two values do not share a folder; where only `/` was replaced it has none.
    """
    plain = _NOT_OF_VARIANT.sub("-", text)
    if len(plain) <= _MAX_VARIANT and plain == text.replace("/", "-"):
        return plain
    return f"{plain[:_MAX_VARIANT]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def parse_limited_name(name: str) -> tuple[str, int] | None:
    """Dataset and limit of a name that `--limit` made: ("my", 12) of my.first-12; None for any other name."""
    match = re.fullmatch(r"(?s:(.+))\.first-([0-9]{1,18})", name)
    return (match[1], int(match[2])) if match else None


def legal_name(kind: str, name: str, taken: Iterable[str] = ()) -> str:
    """The nearest name that is allowed and differs from the others in `taken`."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", ascii_only).strip("-_")[:90] or f"my-{kind.replace(' ', '-')}"
    used = {other.casefold() for other in taken if other != name} | _RESERVED.get(kind, frozenset())
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    candidates = (stem, *itertools.islice(numbered, len(used) + 1))
    return next(candidate for candidate in candidates if candidate.casefold() not in used)


def colliding_stages(run: Mapping[str, Sequence[object]]) -> str | None:
    """Which combinations of dvc.yaml's matrices get one name, as a message; None if all names differ.

    Also a message if there are more combinations than can be checked.

    Parameters
    ----------
    run : `encoders`, `datasets`, `methods` and `seeds`, as params.yaml has them under `run`
    """
    if (n_runs := math.prod(len(run[axis]) for axis in _MATRICES[-1])) > _MAX_RUNS:
        return f"run: expected at most {_MAX_RUNS:,} combinations of {', '.join(_MATRICES[-1])}, found {n_runs:,}"
    for axes in _MATRICES:
        by_name: dict[str, dict[tuple[object, ...], None]] = {}
        for values in itertools.product(*(run[axis] for axis in axes)):
            by_name.setdefault("-".join(map(str, values)), {})[values] = None
        if repeated := {name: list(values) for name, values in by_name.items() if len(values) > 1}:
            return _collisions(axes, repeated)
    return None


def _collisions(axes: Sequence[str], repeated: Mapping[str, Sequence[tuple[object, ...]]]) -> str:
    examples = [
        f"`{name}` is " + " and ".join(f"({', '.join(map(str, values))})" for values in combinations)
        for name, combinations in itertools.islice(repeated.items(), _N_EXAMPLES)
    ]
    more = f", and {len(repeated) - _N_EXAMPLES} more" if len(repeated) > _N_EXAMPLES else ""
    encoders = (str(values[0]) for combinations in repeated.values() for values in combinations)
    encoder = max(encoders, key=lambda name: name.count("-"))
    rename = f" Rename the encoder {encoder!r}, for example to {encoder.replace('-', '_')!r}" if "-" in encoder else ""
    return (
        f"run: expected stages with different names for {' x '.join(axes)}, found {'; '.join(examples)}{more}. "
        f"DVC would run only one of each and lose the others.{rename or ' Rename one of them'}"
    )
