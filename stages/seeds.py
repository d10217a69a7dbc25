"""Seeds and folds: which there are, and how a command line writes many."""

from __future__ import annotations

import itertools
import re
from typing import Annotated

from pydantic import Field

from stages.errors import ParamsError

__all__ = ["LARGEST_SEED", "MOST_FOLDS", "MOST_SEEDS", "Seed", "parse_folds", "parse_seeds"]

LARGEST_SEED = 2**32 - 1  # that every library takes
MOST_SEEDS = 10_000  # of one command; each is a run
MOST_FOLDS = 1000  # of one dataset

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]

_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0`, `0-9` or `0,2,5-7` -> seeds, each once, in the order of the text.

    Raises
    ------
    ParamsError
        If a part is neither a whole number below 2 ** 32 nor a range that rises, or there are more than 10,000 seeds.
    """
    ranges = [_seed_range(part, text) for part in text.split(",")]
    if (n_seeds := sum(map(len, ranges))) > MOST_SEEDS:
        raise ParamsError(f"--seeds {text!r:.100}: expected at most {MOST_SEEDS:,} seeds, found {n_seeds:,}")
    return tuple(dict.fromkeys(itertools.chain(*ranges)))


def _seed_range(part: str, text: str) -> range:
    match = _RANGE.fullmatch(part.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if not first <= last <= LARGEST_SEED:
        raise ParamsError(
            f"--seeds {text!r:.100}: expected whole numbers and ranges, such as 0-9 or 0,2,5-7, none above "
            f"{LARGEST_SEED}"
        )
    return range(first, last + 1)


def parse_folds(text: str, option: str = "fold") -> tuple[int, ...]:
    """`2`, `1-5` or `1,3` -> numbers of folds, each once, in the order of the text of an `option`.

    Raises
    ------
    ParamsError
        If a part is neither a whole number from 1 to 1,000 nor a range that rises.
    """
    try:
        numbers = parse_seeds(text)
    except ParamsError:
        numbers = ()
    if not numbers or not 1 <= min(numbers) <= max(numbers) <= MOST_FOLDS:
        raise ParamsError(
            f"--{option} {text!r:.100}: expected numbers of folds from 1 to {MOST_FOLDS:,} and ranges, such as 2, 1-5 "
            "or 1,3"
        )
    return numbers
