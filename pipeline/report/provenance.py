"""What was run: tables that allow others to check and repeat the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.footnotes import SEEN_DOMAIN, footnoted
from pipeline.learning.options import CLIP_OPTIONS, MethodConfig
from pipeline.records import StoreSummary
from pipeline.report.distinctions import options_text
from pipeline.report.formatting import MISSING, counts_text, flat
from pipeline.report.groups import Group, ordered_classes, units_text
from pipeline.report.runs import ReportRun
from pipeline.report.views import TableView
from pipeline.tables.labels import LABELS
from pipeline.tables.samples import SPLITS

__all__ = [
    "KEY_LENGTH",
    "config_table",
    "encoder_tables",
    "feature_tables",
    "label_rule_table",
    "store_tables",
    "test_set_table",
    "version_table",
]

# Enough of a digest to identify a store; `fer-stage store ls` lists the rest.
KEY_LENGTH = 12


def store_tables(stores: Iterable[StoreSummary]) -> list[TableView]:
    """One table per encoder, one row per store: images per split and expression, and what was rejected and why."""
    tables = []
    for encoder, members in _by_encoder(stores).items():
        splits = _names(SPLITS, (store.splits for store in members))
        labels = _names(LABELS, (store.labels for store in members))
        tables.append(
            TableView(
                f"{_rows_title(members)} in the stores of {encoder}",
                ("Dataset", "Key", "Rows", "Usable", *splits, *labels, "Rejected"),
                tuple(_store_row(store, splits, labels) for store in members),
                n_headers=2,
            )
        )
    return tables


def feature_tables(stores: Iterable[StoreSummary]) -> list[TableView]:
    """One table per encoder: what is stored of it, and how images became its input."""
    return [
        TableView(
            f"Features and preprocessing of {encoder}",
            ("Setting", "Value"),
            _settings({store.dataset: _feature_settings(store) for store in members}),
            prose=True,
        )
        for encoder, members in _by_encoder(stores).items()
    ]


def encoder_tables(groups: Iterable[Group]) -> list[TableView]:
    """The full identity of every encoder: architecture, activation, weights, and the layouts that it was trained on."""
    members: dict[str, list[ReportRun]] = {}
    for group in groups:
        members.setdefault(group.encoder, []).extend(group.runs)
    return [_encoder_table(name, runs) for name, runs in members.items()]


def test_set_table(groups: Sequence[Group]) -> TableView:
    """Every set of test images that some run was scored on, with its expressions and what was left out of it."""
    runs = [run for group in groups for run in group.runs]
    classes = ordered_classes(runs)
    rows = {
        (
            f"{score.test}, fold {score.fold.number}" if score.fold else score.test,
            score.split,
            score.rows[:KEY_LENGTH],
            f"{score.n:,}" + (" clips" if score.unit == "clip" else ""),
            *(f"{score.support.get(name, 0):,}" for name in classes),
            f"{score.rejected:,}",
            counts_text(score.dropped),
        )
        for run in runs
        for score in run.scores
    }
    columns = ("Dataset", "Split", "Rows", "n", *classes, "Rejected", "Dropped")
    return TableView(f"Scored {units_text(groups)} per expression", columns, tuple(sorted(rows)))


def label_rule_table(groups: Sequence[Group]) -> TableView:
    """The options of the layout of every dataset that some run was scored on: they decide labels and splits."""
    scores = [score for group in groups for run in group.runs for score in run.scores]
    rows = {(score.test, options_text(score.options) or MISSING) for score in scores}
    return TableView(
        "Labels and splits of the scored datasets", ("Dataset", "Options"), tuple(sorted(rows)), prose=True
    )


def config_table(group: Group) -> TableView:
    """The recipe, if any, and all settings; those that differ between runs name train dataset and seed."""
    settings = {
        _run_name(run): {
            "recipe": run.record.recipe or MISSING,
            **_frames_read(run),
            **run.record.config,
            "views": run.record.views,
            "features": run.record.dtype,
            "method version": run.record.method_version,
            "train and validation rows": run.record.rows[:KEY_LENGTH],
        }
        for run in group.runs
    }
    return TableView(f"{group.method} on {group.source}", ("Setting", "Value"), _settings(settings), prose=True)


def version_table(groups: Sequence[Group]) -> TableView:
    """The software that trained the runs."""
    runs = {f"{g.method} on {g.source}, {_run_name(run)}": run.record.versions for g in groups for run in g.runs}
    return TableView("Software versions", ("Package", "Version"), _settings(runs), prose=True)


def _encoder_table(name: str, runs: Sequence[ReportRun]) -> TableView:
    """Runs of image networks have no note about the encoder whose store has their pixels."""
    note = next((run.record.encoder_note for run in runs if run.record.encoder_note), "")
    layouts = sorted({layout for run in runs for layout in run.record.encoder_saw})
    trained_on = {f"{SEEN_DOMAIN} trained on the train split of": ", ".join(layouts)} if layouts else {}
    return TableView(
        f"Encoder {name}" + (f" (stand-in: {note})" if note else ""),
        ("Property", "Value"),
        tuple({**flat(runs[0].record.encoder_identity.as_json()), **trained_on}.items()),
        prose=True,
    )


def _by_encoder(stores: Iterable[StoreSummary]) -> dict[str, list[StoreSummary]]:
    groups: dict[str, list[StoreSummary]] = {}
    for store in sorted(stores, key=lambda store: (store.encoder, store.dataset, store.key)):
        groups.setdefault(store.encoder, []).append(store)
    return groups


def _names(order: Sequence[str], counts: Iterable[Mapping[str, int]]) -> list[str]:
    """The names with a count, those of `order` first."""
    counted = {name for each in counts for name in each}
    return [*(name for name in order if name in counted), *sorted(counted - set(order))]


def _rows_title(stores: Sequence[StoreSummary]) -> str:
    units = {store.unit for store in stores}
    return " and ".join(name for unit, name in (("image", "Images"), ("clip", "Frames of clips")) if unit in units)


def _store_row(store: StoreSummary, splits: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    counts = [store.rows, store.usable]
    counts += [store.splits.get(name, 0) for name in splits] + [store.labels.get(name, 0) for name in labels]
    name = footnoted(f"{store.dataset}{' (frames)' if store.unit == 'clip' else ''}", store.encoder_saw)
    return (name, store.key[:KEY_LENGTH], *(f"{n:,}" for n in counts), counts_text(store.rejected))


def _feature_settings(store: StoreSummary) -> dict[str, object]:
    names = ("outputs", "width", "views", "dtype", "precision")
    return {name: getattr(store, name) for name in names} | {"preprocess": store.preprocess}


def _frames_read(run: ReportRun) -> dict[str, object]:
    """The options of clips, of runs on clips: a record leaves out those that have their default."""
    if run.record.unit == "image":
        return {}
    return {name: MethodConfig.model_fields[name].default for name in CLIP_OPTIONS}


def _run_name(run: ReportRun) -> str:
    return f"{run.trained_as} seed {run.seed}"


def _settings(owners: Mapping[str, Mapping[str, object]]) -> tuple[tuple[str, str], ...]:
    """One line per setting; a setting that differs lists its values with their owners."""
    flats = {owner: flat(mapping) for owner, mapping in owners.items()}
    names = dict.fromkeys(name for lines in flats.values() for name in lines)
    return tuple((name, _shared({owner: lines.get(name, MISSING) for owner, lines in flats.items()})) for name in names)


def _shared(values: Mapping[str, str]) -> str:
    owners_of: dict[str, list[str]] = {}
    for owner, value in values.items():
        owners_of.setdefault(value, []).append(owner)
    if len(owners_of) == 1:
        return next(iter(owners_of))
    return "; ".join(f"{value} ({', '.join(owners)})" for value, owners in owners_of.items())
