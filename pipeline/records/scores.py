"""scores.json of a run: an entry for each dataset, split, and whether overlapping rows were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, RootModel, model_validator

from pipeline.records.fields import checked, json_bytes
from pipeline.records.files import Advice, read_json
from pipeline.records.score import Score, ScoreSource, wrong_rates

__all__ = ["Scores", "read_scores", "require_rates"]


class Scores(RootModel[tuple[Score, ...]]):
    """scores.json: scores of a run, also those of a head that was replaced since, until the file is written again."""

    root: Annotated[tuple[Score, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Check that there is one score per key."""
        for (dataset, split, _), n in Counter(score.key for score in self.root).items():
            if n > 1:
                raise ValueError(f"dataset: expected once per split, found {dataset}, split {split}, {n} times")
        return self

    def __len__(self) -> int:
        return len(self.root)

    def __iter__(self) -> Iterator[Score]:  # type: ignore[override]  # of a model of fields, pydantic gives names
        return iter(self.root)

    def of(self, source: ScoreSource) -> Scores:
        """The scores of one head."""
        return Scores(tuple(score for score in self.root if score.source == source))

    def updated(self, scores: Iterable[Score]) -> Scores:
        """With `scores` in the place of earlier ones, in the order of the file."""
        by_key = {score.key: score for score in (*self.root, *scores)}
        return Scores(tuple(by_key[key] for key in sorted(by_key)))

    def as_json(self) -> list[dict[str, Any]]:
        """Plain data, in the order of the file."""
        return [score.as_json() for score in self.root]

    def as_bytes(self) -> bytes:
        """The content of the file."""
        return json_bytes(self.model_dump())


def read_scores(path: Path, remedy: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> Scores:
    """The scores of a run; none if there is no file.

    Parameters
    ----------
    remedy : what scores the head again

    Raises
    ------
    InputError
        If it is damaged, or a field is missing, impossible or contradicts another.
    """
    advice = Advice("Delete the file, or move it away, and evaluate again", remedy)
    try:
        data = read_json(path, advice)
    except (FileNotFoundError, NotADirectoryError):
        return Scores()
    scores = checked(Scores, data, str(path), "the scores of a head", advice)
    require_rates(scores, str(path), advice)
    return scores


def require_rates(scores: Iterable[Score], where: str, advice: Advice) -> None:
    """Refuse rates that are not those of the confusion counts.

    Raises
    ------
    InputError
        If accuracy, UAR or a recall is another, or more rows overlap than were scored.
    """
    for i, score in enumerate(scores):
        if problem := next(wrong_rates(score), ""):
            raise advice.error(f"{where}: {i}.{problem}")
