"""Results beside the values of papers: which published value each is of, and whether it is reproduced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np

from pipeline.learning.metrics import METRICS
from pipeline.learning.options import MethodConfig
from pipeline.learning.statistics import wilson_interval
from pipeline.published import ANY, FILE, Claim
from pipeline.report.cells import Cell
from pipeline.report.groups import Group
from pipeline.report.runs import NO_TRAINING, ReportRun, ReportScore

__all__ = ["NOT_COMPARABLE", "PublishedResult", "Target", "compare_with_published"]

NOT_COMPARABLE = "not comparable"
# A difference of the numbers of images that still is one test set: of 3,500 images of AffectNet 11 are missing.
_SAME_SET = 0.01
_ROUNDING = 0.00005  # half of the last digit of a published value
# Not of the method: where a file is, and how the same numbers are computed.
_NO_SETTING = ("context", "pretrained")
_RECALL = "recall:"


@dataclass(frozen=True)
class Target:
    """A published value, and the settings that a run must have to be compared with it.

    Parameters
    ----------
    config : every option of our method, as the paper's recipe has them
    pixel_size : side of the images that an image network reads; 0 where the recipe does not say
    templates : of the prompts, for methods that learn from text; none where the recipe does not say
    """

    claim: Claim
    config: MethodConfig
    pixel_size: int = 0
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedResult:
    """A cell of the report beside a published value.

    Parameters
    ----------
    ours : mean over seeds, a fraction
    bounds : 95 % interval of `ours`
    n, seeds : scored units, and how many heads `ours` is the mean of
    reasons : why both cannot be compared; none where they can
    caveats : what is odd about the value, although it is compared
    """

    claim: Claim
    group: Group
    cell: Cell
    ours: float
    bounds: tuple[float, float]
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def n(self) -> int:
        return self.cell.first.n

    @property
    def seeds(self) -> int:
        return len(self.cell.by_seed)

    @property
    def difference(self) -> float:
        """Ours minus the published value, a difference of fractions."""
        return self.ours - self.claim.value

    @property
    def verdict(self) -> str:
        """`reproduced` where the interval of ours has the published value; `lower`, `higher`, or `not comparable`."""
        if self.reasons:
            return NOT_COMPARABLE
        if self.bounds[0] - _ROUNDING <= self.claim.value <= self.bounds[1] + _ROUNDING:
            return "reproduced"
        return "lower" if self.difference < 0 else "higher"


def compare_with_published(
    groups: Iterable[Group], targets: Sequence[Target], texts: Mapping[str, tuple[str, ...]]
) -> list[PublishedResult]:
    """Each cell beside the published values of its method, train and test dataset, in the order of the tables.

    Of several values of one paper and metric a cell is compared with that whose settings are nearest to its own, the
    first of equals: those of an ablation differ in one option.

    Parameters
    ----------
    targets : of the runs' methods and datasets; others are of no effect
    texts : text key of a run -> the templates of its prompts, as far as they are known
    """
    found = [(group, cell, _texts_of(group, texts)) for group in groups for cell in group.cells.values()]
    results = [result for group, cell, templates in found for result in _of_cell(group, cell, templates, targets)]
    order = {id(target.claim): i for i, target in enumerate(targets)}
    return sorted(results, key=lambda result: order[id(result.claim)])


def _texts_of(group: Group, texts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The templates of a group's prompts; None where they are not known. Its runs have one text, or it has none."""
    return texts.get(group.runs[0].record.text_key)


def _of_cell(
    group: Group, cell: Cell, templates: tuple[str, ...] | None, targets: Sequence[Target]
) -> Iterator[PublishedResult]:
    run = next(run for run in group.runs if cell.train in (NO_TRAINING, run.trained_on))
    nearest: dict[tuple[str, str], tuple[int, Target, tuple[str, ...]]] = {}
    for target in targets:
        if not _is_claim_on(target.claim, group, cell, run):
            continue
        reasons = (*_reasons(target, group, cell, run), *_text_reasons(target, run, templates))
        key = (target.claim.paper, target.claim.metric)
        distance = len(reasons) + len(_other_options(target, run))
        if key not in nearest or distance < nearest[key][0]:
            nearest[key] = distance, target, reasons
    for _, target, reasons in nearest.values():
        if values := _values(cell, target.claim.metric):
            bounds = _bounds(cell, target.claim.metric, target.claim.test_set.n)
            yield PublishedResult(
                target.claim, group, cell, fmean(values), bounds, reasons, _caveats(target.claim, cell)
            )


def _is_claim_on(claim: Claim, group: Group, cell: Cell, run: ReportRun) -> bool:
    """Whether a published value is of this method, trained and tested on these datasets by their names."""
    if claim.ours != group.base.partition(" ")[0] or cell.first.dataset not in claim.test_set.datasets:
        return False
    return claim.train == claim.test if cell.train == NO_TRAINING else run.dataset in claim.trains


def _reasons(target: Target, group: Group, cell: Cell, run: ReportRun) -> Iterator[str]:
    """Why a cell cannot be compared with a published value, as parts of a sentence."""
    claim, score, record = target.claim, cell.first, run.record
    if group.note:
        yield "stand-in encoder"
    if claim.encoders and record.encoder_spec not in claim.encoders:
        yield f"other encoder: {record.encoder_spec}, published with {' or '.join(claim.encoders)}"
    if cell.classes != claim.test_set.expressions:
        yield f"other label set: {len(cell.classes)} expressions, published with {len(claim.test_set.expressions)}"
    if score.split != "test":
        yield f"{score.split} split"
    if score.without_overlap:
        yield f"other images: {score.excluded_overlap:,} that overlap with training are left out"
    elif abs(score.n - claim.test_set.n) > _SAME_SET * claim.test_set.n > 0:
        yield f"other images: N = {score.n:,}, published on {claim.test_set.n:,}"
    yield from _dataset_reasons(claim, cell, run)
    yield from _setting_reasons(target, run)


def _dataset_reasons(claim: Claim, cell: Cell, run: ReportRun) -> Iterator[str]:
    """Other labels or images of the datasets: the same name and number of images can hide them."""
    reasons = [_other_data(cell.first.dataset, cell.first.options, claim.test_set.options)]
    if cell.train != NO_TRAINING:
        reasons.append(_other_data(run.dataset, run.options, claim.train_options))
    yield from dict.fromkeys(filter(None, reasons))
    if run.record.head.alignment:
        yield "faces aligned by fer-stage, published on the images as they are released"


def _other_data(dataset: str, ours: Mapping[str, Any], published: Mapping[str, Any]) -> str:
    changed = [
        f"{name}={ours[name]} (published: {value or 'none'})"
        for name, value in published.items()
        if name in ours and ours[name] != value
    ]
    return f"other labels or images of {dataset}: {', '.join(changed)}" if changed else ""


def _text_reasons(target: Target, run: ReportRun, templates: tuple[str, ...] | None) -> Iterator[str]:
    record = run.record
    if not record.text_key:
        return
    if record.text_encoder != record.encoder_identity.encoder:
        yield "text of another encoder"
    elif templates is None:
        yield "its prompts are not known: their vectors are not below --features"
    elif target.templates and templates != target.templates:
        yield f"other prompts: {templates[0]!r}{' ...' if templates[1:] else ''}, published {target.templates[0]!r}"


def _setting_reasons(target: Target, run: ReportRun) -> Iterator[str]:
    record = run.record
    if options := _other_options(target, run):
        yield f"other options: {', '.join(options)}"
    wanted, given = target.claim.options.get("pretrained", ""), record.config.get("pretrained", "")
    if wanted == FILE and not given:
        yield "without the pretrained weights of the published network"
    if wanted not in (FILE, ANY) and given:
        yield "with pretrained weights, published without"
    pixels = record.head.inputs.get("pixels")
    if pixels and target.pixel_size and pixels[0] != target.pixel_size:
        yield f"other image size: {pixels[0]} px, published with {target.pixel_size}"


def _other_options(target: Target, run: ReportRun) -> list[str]:
    """`epochs=3 (published: 60)` for each option of the method that is not the published one."""
    config = target.config.of_effect_on(run.record.unit)
    defaults = {name: field.default for name, field in type(config).model_fields.items()}
    published, ours = {**defaults, **config.recorded("json")}, {**defaults, **run.record.config}
    names = [name for name in published if name not in _NO_SETTING and ours[name] != published[name]]
    return [f"{name}={ours[name]} (published: {published[name]})" for name in names]


def _caveats(claim: Claim, cell: Cell) -> tuple[str, ...]:
    published, n = claim.test_set, cell.first.n
    unlike = f"N = {n:,}, published on {published.n:,}: counted in the interval" if n != published.n > 0 else ""
    return tuple(
        filter(None, (claim.note, published.note, unlike, "" if published.n else "the published N is not known"))
    )


def _values(cell: Cell, metric: str) -> list[float]:
    """The score of each seed; empty for the recall of an expression that does not occur."""
    if metric in METRICS:
        return [score.value(metric) for score in cell.by_seed.values()]
    recalls = [score.per_class.get(metric.removeprefix(_RECALL)) for score in cell.by_seed.values()]
    return [recall for recall in recalls if recall is not None]


def _bounds(cell: Cell, metric: str, n_published: int) -> tuple[float, float]:
    """95 % interval of the mean over seeds, of images and seeds together.

    Equation: mean - sqrt((mean - low)^2 + s^2) - missing, with the mean lower bound over seeds, s = t * sd / sqrt(k)
    of Student's distribution with k - 1 degrees of freedom for k seeds (0 for one), and the greatest change of the
    score by images that one of both test sets does not have.
    """
    values = _values(cell, metric)
    mean, k = fmean(values), len(values)
    low, high = (
        fmean(ends) for ends in zip(*(_interval(score, metric) for score in cell.by_seed.values()), strict=True)
    )
    spread = _student(k - 1) * stdev(values) / sqrt(k) if k > 1 else 0.0
    missing = _missing(cell.first, metric, n_published)
    below, above = sqrt((mean - low) ** 2 + spread**2), sqrt((high - mean) ** 2 + spread**2)
    return max(0.0, mean - below - missing), min(1.0, mean + above + missing)


def _student(freedom: int) -> float:
    """The 97.5 % point of Student's distribution."""
    from scipy.special import stdtrit  # late: it takes long, and most reports have no published value

    return float(stdtrit(freedom, 0.975))


def _interval(score: ReportScore, metric: str) -> tuple[float, float]:
    if metric in METRICS:
        return score.bounds(metric) or (0.0, 1.0)
    i = score.classes.index(metric.removeprefix(_RECALL))
    return wilson_interval(score.confusion[i][i], sum(score.confusion[i]))


def _missing(score: ReportScore, metric: str, n_published: int) -> float:
    """How much a score can change by the images that one of both test sets has alone, all of them in one class."""
    n = abs(score.n - n_published) if n_published else 0
    lacking = max(0, n_published - score.n)
    if metric == "accuracy":
        return n / (score.n + lacking)
    if metric == "uar":
        support = np.array([count for count in score.support.values() if count])
        return min(1.0, float(n / (support.min() + lacking))) / len(support)
    return min(1.0, n / (score.support[metric.removeprefix(_RECALL)] + lacking))
