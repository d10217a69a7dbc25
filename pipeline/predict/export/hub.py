"""What the Hugging Face Hub reads of an exported head, as plain data: the metadata of its card, and results.

Results are in the card's `model-index`, whatever they were measured on. A file in `.eval_results` enters a score into
the leaderboard of a benchmark, a dataset of the Hub, so it is written only for those that the user names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pipeline.errors import ConfigError, MismatchError
from pipeline.learning.metrics import METRICS
from pipeline.methods import config_class
from pipeline.records import Export, Score

__all__ = ["Benchmark", "benchmark_results", "card_metadata"]

_TASK = {"type": "image-classification", "name": "Facial expression recognition"}
_BENCHMARK = re.compile(r"([^=]+)=([\w.-]+/[\w.-]+?)(?::([\w.-]+))?", re.ASCII)
_FILE_NAME = re.compile(r"[^\w.-]", re.ASCII)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of the Hub that a test dataset is.

    Parameters
    ----------
    dataset : its name in the scores of the head
    hub_id : OWNER/NAME of the dataset on the Hub
    task : of those that the benchmark names
    """

    dataset: str
    hub_id: str
    task: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`ferplus=OWNER/NAME`, or `ferplus=OWNER/NAME:TASK`; without one the task is `default`.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        match = _BENCHMARK.fullmatch(text)
        if match is None:
            raise ConfigError(f"benchmark: expected DATASET=OWNER/NAME or DATASET=OWNER/NAME:TASK, found {text!r}")
        return cls(match[1], match[2], match[3] or "default")


def card_metadata(record: Export) -> dict[str, Any]:
    """The fields before the text of README.md, apart from the licence, which nobody but the user can state."""
    results = [_result(record, score) for score in record.scores]
    return {
        "library_name": "fer-stage",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "emotion-recognition", "fer-stage", record.method],
        "datasets": [record.dataset],
        "metrics": list(METRICS),
        "model-index": [{"name": f"{record.method} on {record.dataset}", "results": results}],
    }


def _result(record: Export, score: Score) -> dict[str, Any]:
    """The entry of `model-index` of one score."""
    config = ", ".join(_configuration(score))
    args = {"n": score.n, "unit": score.unit, "rejected": score.rejected, "seen": score.seen}
    return {
        "task": dict(_TASK),
        "dataset": {
            "name": score.dataset,
            "type": score.dataset,
            **({"config": config} if config else {}),
            "split": score.split,
            "args": args | {"encoder_saw": score.encoder_saw} | ({"note": record.note} if record.note else {}),
        },
        "metrics": [_measured(score, name) for name in METRICS],
    }


def _configuration(score: Score) -> Iterator[str]:
    """What sets a score apart from others of the same split."""
    if score.fold:
        yield score.fold.name
    if score.without_overlap:
        yield f"without {score.excluded_overlap} {score.unit}s that the head was trained or selected on"


def _measured(score: Score, name: str) -> dict[str, Any]:
    """One metric, a fraction, with its 95 % interval where one is known."""
    label, value, bounds = METRICS[name].label, score.value(name), score.bounds(name)
    if bounds is None:
        return {"type": name, "value": value, "name": label}
    low, high = (float(bound) for bound in bounds)
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    return {"type": name, "value": value, "name": f"{label} ({interval})", "args": {"ci95": [low, high]}}


def benchmark_results(record: Export, benchmarks: Sequence[Benchmark]) -> dict[str, list[dict[str, Any]]]:
    """Name of a file below `.eval_results` -> what it holds: the accuracy on a benchmark, in percent.

    Raises
    ------
    MismatchError
        If the head has no score on the test split of one of the datasets; the message names those that it has.
    """
    return {_FILE_NAME.sub("-", f"{one.dataset}.yaml"): [_entry(record, one)] for one in benchmarks}


def _entry(record: Export, benchmark: Benchmark) -> dict[str, Any]:
    tested = [score for score in record.scores if score.split == "test" and not score.without_overlap]
    scores = [score for score in tested if score.dataset == benchmark.dataset]
    if not scores:
        names = ", ".join(score.dataset for score in tested) or "none"
        raise MismatchError(
            f"benchmark {benchmark.dataset}: expected a score of the head on its test split, found {names}. "
            "Evaluate the head on it first"
        )
    return {
        "dataset": {"id": benchmark.hub_id, "task_id": benchmark.task},
        "value": round(100 * scores[0].value("accuracy"), 4),
        "notes": "; ".join([*_notes(record, scores[0]), *filter(None, [record.note])]),
    }


def _notes(record: Export, score: Score) -> Iterator[str]:
    """What must be known beside the number."""
    bounds = score.bounds("accuracy")
    if bounds:
        yield f"accuracy in percent, 95 % interval {100 * bounds[0]:.2f} to {100 * bounds[1]:.2f}"
    yield f"UAR {100 * score.value('uar'):.2f}"
    yield f"N = {score.n} {score.unit}s, {score.rejected} rejected"
    if score.fold:
        yield score.fold.name
    if score.dropped:
        yield "left out, because of other labels: " + ", ".join(f"{name} {n}" for name, n in score.dropped.items())
    if score.seen and config_class(record.method).is_trained:
        yield "trained on the train split of the same dataset"
    if score.encoder_saw:
        yield "the encoder itself was trained on the train split of this dataset"
    if score.overlap and (n := sum(score.overlap.values())):
        yield f"{n} of them were trained or selected on, by their bytes"
    if score.near_overlap and (n := sum(score.near_overlap.values())):
        yield f"{n} of them show a picture that was trained or selected on, by an audit"
