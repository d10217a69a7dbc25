"""Distinct names for runs with other settings, heads of other train rows, and scores of other test rows.

A mean over seeds is of runs that differ in the seed alone, and a column of a matrix is of one set of rows with their
labels. Where a method, train dataset or test dataset comes in several forms, the names of the forms state what differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pipeline.report.folds import with_folds
from pipeline.report.runs import Kind, ReportRun, ReportScore, kind_of, shortened_list

__all__ = ["distinction_notes", "options_text", "with_distinct_names"]

# Enough of a digest to distinguish the few forms of one dataset.
_DIGEST_LENGTH = 8

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", bound=Hashable)


def with_distinct_names(runs: Iterable[ReportRun]) -> list[ReportRun]:
    """The runs with `settings`, `train`, and the `column` of every score, as all of them together need.

    Notes
    -----
    Settings are compared among the runs of one method on one encoder, whatever they were trained on. Train and test
    rows are compared among all runs, and the stores trained on among the runs of one method with one train dataset.
    """
    named = _with_trains(with_folds(_with_settings(_with_options(list(runs)))))
    columns = _columns([score for run in named for score in run.scores])
    return [
        replace(run, scores=tuple(_in_column(score, columns[score.rows_key]) for score in run.scores)) for run in named
    ]


def distinction_notes(runs: Sequence[ReportRun]) -> list[str]:
    """One sentence for each method, train dataset and test dataset that comes in several forms, and how methods differ.

    Parameters
    ----------
    runs : with their names, as `with_distinct_names` returns them
    """
    notes = []
    for (encoder, method), same in _by(runs, lambda run: (run.encoder, run.method)).items():
        if len(names := _distinct(run.settings for run in same)) > 1:
            notes.append(
                f"The runs of {method} on {encoder} differ in their settings, not in the seed alone: "
                f"{'; '.join(names)}. Each has a row of its own, and no mean is over both."
            )
    for dataset, trained in _by([run for run in runs if run.is_trained], lambda run: run.dataset).items():
        if len(names := _distinct(run.trained_on for run in trained)) > 1:
            notes.append(
                f"Heads were trained on several sets of rows, labels or features of {dataset}: {', '.join(names)}. "
                "They are separate train datasets."
            )
    notes += _method_differences(runs)
    scores = [score for run in runs for score in run.scores]
    for dataset, scored in _by(scores, lambda score: score.dataset).items():
        if len(names := _distinct(_column_text(score) for score in scored)) > 1:
            notes.append(
                f"Heads were scored on several sets of rows or labels of {dataset}: {'; '.join(names)}. "
                "Each is a column of its own, and a mean counts one of them for each dataset."
            )
    return notes


def _column_text(score: ReportScore) -> str:
    return score.test if score.folds else f"{score.test}, n {score.n:,}"


def _method_differences(runs: Sequence[ReportRun]) -> list[str]:
    """One sentence for each property that compared methods should share and do not."""
    trained = [run for run in runs if run.is_trained]
    common = set[str].intersection(*(set(run.classes) for run in runs)) if runs else set()

    def expressions(run: ReportRun) -> str:
        return " with ".join(filter(None, (str(len(run.classes)), shortened_list(set(run.classes) - common))))

    return [
        *_difference(
            runs, expressions, "predict different expressions, so that their scores do not measure the same task"
        ),
        *_difference(
            trained, lambda run: str(run.record.views), "were trained on different numbers of views of an image"
        ),
        *_difference(
            [run for run in trained if kind_of(run.method) is Kind.HEAD],
            lambda run: run.record.dtype,
            "were trained on features of different dtypes",
        ),
    ]


def _difference(runs: Sequence[ReportRun], fact: Callable[[ReportRun], str], what: str) -> Iterator[str]:
    by_value = _by(runs, fact)
    if len(by_value) < 2:
        return
    having = {value: _distinct(f"{run.name} on {run.encoder}" for run in same) for value, same in by_value.items()}
    parts = (f"{value}: {shortened_list(having[value])}" for value in sorted(having))
    yield f"The compared heads {what}. {'; '.join(parts)}."


def options_text(options: Mapping[str, Any]) -> str:
    """Options as `name=value`, sorted, on one line; empty without any."""
    return ", ".join(f"{name}={_plain(options[name])}" for name in sorted(options))


def _with_options(runs: Sequence[ReportRun]) -> list[ReportRun]:
    """The layout's options of the train rows: those of scores on the store that the head was trained on."""
    known = _by([score for run in runs for score in run.scores], lambda score: score.store_key)
    unambiguous = {
        key: same[0].options for key, same in known.items() if len({options_text(s.options) for s in same}) == 1
    }
    return [replace(run, options=run.options or unambiguous.get(run.record.key, {})) for run in runs]


def _with_settings(runs: Sequence[ReportRun]) -> list[ReportRun]:
    pairs = [(run, _settings(run)) for run in runs]
    differing: dict[tuple[str, str], list[str]] = {}
    for key, same in _by(pairs, lambda pair: (pair[0].encoder, pair[0].method)).items():
        names = dict.fromkeys(name for _, settings in same for name in settings)
        differing[key] = [name for name in names if len({settings.get(name, "none") for _, settings in same}) > 1]
    return [
        replace(run, settings=_settings_text(settings, differing[run.encoder, run.method])) for run, settings in pairs
    ]


def _settings_text(settings: Mapping[str, str], names: Iterable[str]) -> str:
    return ", ".join(f"{name}={settings.get(name, 'none')}" for name in names)


def _settings(run: ReportRun) -> dict[str, str]:
    """What must be equal for all runs of one row, by name, as exact text."""
    record = run.record
    settings = {name: _plain(value) for name, value in record.config.items()}
    settings |= {"recipe": record.recipe or "none", "method version": str(record.method_version)}
    settings |= {"expressions": " ".join(record.classes)}
    settings |= {"text": record.text_key[:_DIGEST_LENGTH]} if record.text_key else {}
    # Where nothing is trained, the head does not depend on the train rows.
    return settings | ({"views": str(record.views), "dtype": record.dtype} if run.is_trained else {})


def _with_trains(runs: Sequence[ReportRun]) -> list[ReportRun]:
    names: dict[Hashable, str] = {}
    trained = [run for run in runs if run.is_trained]
    for (dataset, folds), same in _by(trained, lambda run: (run.dataset, run.folds_text)).items():
        forms = {run.rows: run for run in same}
        suffixes = _distinguishing_texts(
            {rows: _differing_options(run.options, [other.options for other in same]) for rows, run in forms.items()},
            {rows: f"{run.record.n_train + run.record.n_val:,} rows" for rows, run in forms.items()},
        )
        names |= {(dataset, rows): _with_parts(dataset, folds, suffix) for rows, suffix in suffixes.items()}
    named = [replace(run, train=names.get((run.dataset, run.rows), run.dataset)) for run in runs]
    return _with_stores(named)


def _with_parts(dataset: str, *parts: str) -> str:
    text = ", ".join(filter(None, parts))
    return f"{dataset} ({text})" if text else dataset


def _with_stores(runs: Sequence[ReportRun]) -> list[ReportRun]:
    """Runs that would be seeds of one mean, but were trained on other features, get distinct names."""

    def cell(run: ReportRun) -> tuple[str, str, str, str]:
        return (run.encoder, run.method, run.settings, run.train)

    several = {
        key
        for key, same in _by([run for run in runs if run.is_trained], cell).items()
        if len({run.record.key for run in same}) > 1
    }
    return [
        replace(run, train=f"{run.train} (features {run.record.key[:_DIGEST_LENGTH]})") if cell(run) in several else run
        for run in runs
    ]


def _columns(scores: Sequence[ReportScore]) -> dict[Hashable, str]:
    names: dict[Hashable, str] = {}
    for dataset, same in _by(scores, lambda score: score.dataset).items():
        splits = _distinct(score.split for score in same)
        kinds = _by(same, lambda score: (score.split, score.without_overlap, score.folds))
        for (split, excluded, folds), alike in kinds.items():
            forms = {score.rows: score for score in alike}
            suffixes = _distinguishing_texts(
                {rows: _differing_options(form.options, [s.options for s in alike]) for rows, form in forms.items()},
                {rows: f"{form.n:,} rows" for rows, form in forms.items()},
            )
            for rows, suffix in suffixes.items():
                parts = (split if len(splits) > 1 else "", "without overlap" if excluded else "", folds, suffix)
                names[dataset, split, rows, excluded] = _with_parts(dataset, *parts)
    return names


def _distinguishing_texts(*candidates: Mapping[str, str]) -> dict[str, str]:
    """A text for every digest: of the first candidate whose texts all differ, else the digest. Empty for one digest."""
    digests = list(candidates[0])
    if len(digests) == 1:
        return {digests[0]: ""}
    for texts in candidates:
        if len(set(texts.values())) == len(digests) and all(texts.values()):
            return dict(texts)
    return {digest: f"rows {digest[:_DIGEST_LENGTH]}" for digest in digests}


def _differing_options(options: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """Those of the options that are not equal in all of `others`, to which `options` belong."""
    names = {name for other in others for name in other}
    differing = [name for name in names if len({_plain(other.get(name)) for other in others}) > 1]
    return options_text({name: options.get(name) for name in differing})


def _in_column(score: ReportScore, column: str) -> ReportScore:
    return score.model_copy(update={"column": column})


def _plain(value: Any) -> str:
    """A setting as exact text: two values with one text are equal."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _by(items: Iterable[_Item], key: Callable[[_Item], _Key]) -> dict[_Key, list[_Item]]:
    groups: dict[_Key, list[_Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
