"""Plain-JSON records small enough to check by hand, and a reader for the page."""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser
from typing import Any

from run_records import CLASSES, run_record, score_record

from pipeline.records import Run, Scores, StoreSummary
from pipeline.records.fields import checked
from pipeline.records.files import Advice
from pipeline.records.store_summary import summary_of
from pipeline.report import ReportRun

__all__ = ["CLASSES"]

STAND_IN = "untrained: random weights, knows nothing about faces"
AGAIN = Advice("Again")


def digest(text: str) -> str:
    """A digest that is the same for equal texts."""
    return hashlib.sha256(text.encode()).hexdigest()


def _with_digests(changes: dict[str, Any]) -> dict[str, Any]:
    """A short text in the place of a digest is replaced by its digest."""
    names = {"rows", "key", "run_key", "head_sha256", "store_key"}
    return {name: digest(v) if name in names and len(v) != 64 else v for name, v in changes.items()}


def score_json(dataset: str, accuracy: Any, uar: float = 0.5, **changes: Any) -> dict[str, Any]:
    """Twenty images: 10 surprise, 10 fear, no disgust. The rates are not those of the counts."""
    changes |= {"support": dict.fromkeys(CLASSES, 0) | changes["support"]} if "support" in changes else {}
    return score_record(dataset, accuracy, uar, **{"rows": digest(f"rows of {dataset}"), **_with_digests(changes)})


def run_json(**changes: Any) -> dict[str, Any]:
    rows = digest(f"train rows of {changes.get('dataset', 'a')}")
    versions = {"fer-stage": "0.1.0", **changes.pop("versions", {"python": "3.11"})}
    return run_record(**{"method": "probe", "rows": rows, "versions": versions, **_with_digests(changes)})


def history_json() -> list[dict[str, Any]]:
    rows = [(1, 2.0, 0.3, 0.2), (2, 1.0, 0.5, 0.4), (3, 0.5, 0.45, 0.35)]
    return [dict(zip(("epoch", "loss", "val_accuracy", "val_uar"), row, strict=True)) | {"lr": 0.1} for row in rows]


def store_json(**changes: Any) -> dict[str, Any]:
    return {
        "dataset": "a",
        "encoder": "mini",
        "encoder_note": "",
        "encoder_saw": False,
        "rows": 153,
        "usable": 150,
        "rejected": {"truncated": 3},
        "splits": {"train": 100, "val": 30, "test": 20},
        "labels": {"surprise": 90, "fear": 60},
        "width": 16,
        "outputs": ["pooled"],
        "views": 1,
        "dtype": "float16",
        "key": "cd" * 32,
        "precision": "float32",
        "preprocess": {"size": 224},
    } | changes


def make_run(
    scores: list[dict[str, Any]],
    history: list[dict[str, Any]] | None = None,
    scores_label: str = "",
    **changes: Any,
) -> ReportRun:
    record = checked(Run, run_json(**changes), "runs/x/run.json", "a run", AGAIN)
    entries = checked(Scores, scores, scores_label or "runs/x", "scores", AGAIN)
    return ReportRun.of(record, tuple(history_json() if history is None else history), entries, "runs/x", scores_label)


def make_store(**changes: Any) -> StoreSummary:
    return summary_of(store_json(**changes), "features/x")


def crossed_runs(**changes: Any) -> list[ReportRun]:
    """Two train datasets, two seeds, three test datasets; accuracies as in the tests' hand calculations."""
    accuracies = {
        ("a", 0): (0.90, 0.60, 0.50),
        ("a", 1): (0.92, 0.64, 0.46),
        ("b", 0): (0.40, 0.80, 0.30),
        ("b", 1): (0.50, 0.84, 0.30),
    }
    return [
        make_run(
            [score_json(test, value, value / 2, seen=test == train) for test, value in zip("abc", values, strict=True)],
            dataset=train,
            seed=seed,
            **changes,
        )
        for (train, seed), values in accuracies.items()
    ]


class Page(HTMLParser):
    """What a reader without scripts gets: tables by caption, tags with attributes, text outside scripts.

    Each method has some tables of one name: the later ones are `NAME (again 1)`.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._inside: list[str] = []
        self._caption = ""
        self._rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "table":
            self._caption, self._rows = "", []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag in ("script", "style"):
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "table":
            same = sum(name.split(" (again")[0] == self._caption for name in self.tables)
            self.tables[f"{self._caption} (again {same})" if same else self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        if "script" in self._inside:
            self.scripts[-1] += data
        elif "style" in self._inside:
            self.styles[-1] += data
        else:
            self._handle_text(data)

    def _handle_text(self, data: str) -> None:
        self.text += data
        if "caption" in self._inside:
            self._caption += data
        elif {"td", "th"} & set(self._inside):
            self._rows[-1][-1] += data

    def matrix(self, name: str) -> list[list[str]]:
        """The rows of the matrix of this name; its caption ends with its means."""
        (table,) = [rows for caption, rows in self.tables.items() if caption.startswith(name)]
        return table
