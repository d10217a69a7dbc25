"""Labels in another order: found by the predictions of a head from elsewhere, and no false alarm where they are right.

The figures of docs/audit.md are of larger simulations of the same kinds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.audit.known_orders import KNOWN_ORDERS, order_pairs
from pipeline.audit.label_order import find_label_order
from pipeline.tables.labels import CODE_MAPS, EXPRESSIONS

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def confused(uar: float, n_classes: int, rng: np.random.Generator) -> Floats:
    """What a head predicts of each expression, (C, C): random confusions of its own, and this mean recall."""
    others = rng.dirichlet(np.ones(n_classes), size=n_classes)
    right = max(0.0, (uar - np.trace(others) / n_classes) / (1 - np.trace(others) / n_classes))
    return right * np.eye(n_classes) + (1 - right) * others


def drawn(probabilities: Floats, rows: Counts, rng: np.random.Generator) -> Counts:
    return np.array([rng.multinomial(n, p) for n, p in zip(rows, probabilities, strict=True)])


def misread(read_by: str, written_in: str, uar: float, n: int, rng: np.random.Generator) -> Counts | None:
    """Counts (8, 8) of a dataset of `n` rows whose codes are those of one order, and were read by another."""
    written, read = KNOWN_ORDERS[written_in], KNOWN_ORDERS[read_by]
    codes = sorted(written.keys() & read.keys())
    counts, head = np.zeros((8, 8), np.int64), confused(uar, 8, rng)
    for code in codes:
        row = EXPRESSIONS.index(read[code])
        counts[row] = rng.multinomial(n // len(codes), head[EXPRESSIONS.index(written[code])])
    moved = sum(written[code] != read[code] for code in codes)
    return counts if moved > 1 and len(codes) > 5 else None


def wrong_readings(uar: float, n: int) -> Iterator[tuple[str, str, Counts]]:
    rng = np.random.default_rng(0)
    for read_by in KNOWN_ORDERS:
        for written_in in KNOWN_ORDERS:
            if (counts := misread(read_by, written_in, uar, n, rng)) is not None:
                yield read_by, written_in, counts


def test_counts_by_hand() -> None:
    """Ten rows for each of the codes 0 to 7 of AffectNet, read as alphabetical; the head is right on 6 of 10.

    The other 4 of each are predicted as what it is read as: anger is neutral (code 0), contempt happiness (1), disgust
    sadness (2), fear surprise (3), happiness fear (4), neutral disgust (5), sadness anger (6), surprise contempt (7).
    """
    meaning = dict(zip(CODE_MAPS["alphabetical-8"].values(), CODE_MAPS["affectnet"].values(), strict=True))
    assert meaning["anger"] == "neutral"
    assert meaning["surprise"] == "contempt"
    counts = np.zeros((8, 8), np.int64)
    for label, meant in meaning.items():
        counts[EXPRESSIONS.index(label), EXPRESSIONS.index(meant)] += 60
        counts[EXPRESSIONS.index(label), EXPRESSIONS.index(label)] += 40
    finding = find_label_order(counts, EXPRESSIONS, EXPRESSIONS, "alphabetical-8")
    assert (finding.n, finding.uar, finding.uar_other) == (800, pytest.approx(0.4), pytest.approx(0.6))
    assert dict(finding.meaning) == meaning
    assert finding.text() == (
        "labels fit the order `affectnet` (they were read by `alphabetical-8`): agreement 0.60 against 0.40 (UAR, 800 "
        "rows)"
    )


def test_every_wrong_order_is_found_by_a_head_of_40_percent() -> None:
    """1,600 rows: of all pairs of orders that move two labels or more, at most 2 % are missed, and 2 % misnamed: the
    head itself may take most of one expression for another, and two orders may differ in that one alone."""
    missed: list[tuple[str, ...]] = []
    misnamed: list[tuple[str, ...]] = []
    n = 0
    for read_by, written_in, counts in wrong_readings(0.4, 1600):
        finding = find_label_order(counts, EXPRESSIONS, EXPRESSIONS, read_by)
        n += 1
        if not finding.is_suspicious:
            missed.append((read_by, written_in))
            continue
        codes = KNOWN_ORDERS[written_in].keys() & KNOWN_ORDERS[read_by].keys()
        right = {KNOWN_ORDERS[read_by][code]: KNOWN_ORDERS[written_in][code] for code in codes}
        if {label: right[label] for label in finding.labels} != finding.meaning:
            misnamed.append((read_by, written_in, finding.order))
    assert n > 150
    assert len(missed) <= 0.02 * n, missed
    assert len(misnamed) <= 0.02 * n, misnamed


def test_the_presets_are_found_in_a_few_rows_by_a_good_head() -> None:
    presets = [each for each in wrong_readings(0.65, 300) if {each[0], each[1]} <= CODE_MAPS.keys()]
    findings = [find_label_order(counts, EXPRESSIONS, EXPRESSIONS, read_by) for read_by, _, counts in presets]
    assert len(findings) > 30
    assert all(finding.is_suspicious for finding in findings)


@pytest.mark.parametrize("kind", ["one answer", "label noise", "confusions", "sees nothing"])
def test_right_labels_raise_no_alarm(kind: str) -> None:
    """Skewed classes, weak heads with confusions of their own, label noise: at most 1 % false alarms (2 of 200)."""
    rng = np.random.default_rng(3)
    alarms = 0
    for i in range(200):
        n_classes, n = (7, 8)[i % 2], (100, 1000, 20_000)[i % 3]
        others = rng.dirichlet(np.full(n_classes, (0.3, 0.5, 1.0, 3.0)[i % 4]), size=n_classes)
        if kind == "one answer":
            others[:] = others[0]
        right = 0.0 if kind == "sees nothing" else rng.uniform(0, 0.6)
        head = right * np.eye(n_classes) + (1 - right) * others
        if kind == "label noise":
            noise = rng.uniform(0, 0.8)
            head = (1 - noise) * head + noise * head.mean(axis=0)
        counts = drawn(head, rng.multinomial(n, rng.dirichlet(np.full(n_classes, 1.5))), rng)
        classes = EXPRESSIONS[:n_classes]
        read_by = (None, "affectnet", "alphabetical-8", "raf-0-based" if n_classes == 7 else "ck-plus")[i % 4]
        alarms += find_label_order(counts, classes, classes, read_by).is_suspicious
    assert alarms <= 2


def test_a_head_that_always_predicts_one_expression_fits_no_order_better() -> None:
    """By rows, any order that makes the largest class happiness would fit better: 900 rows against 50."""
    counts = np.zeros((7, 7), np.int64)
    counts[:, EXPRESSIONS.index("happiness")] = (50, 50, 50, 50, 50, 50, 900)
    assert not find_label_order(counts, EXPRESSIONS[:7], EXPRESSIONS[:7], "affectnet").is_suspicious


def test_an_order_that_nobody_knows_is_named_by_its_labels() -> None:
    counts = np.full((7, 7), 2, np.int64)
    for i, j in enumerate((1, 2, 0, 3, 4, 5, 6)):
        counts[i, j] = 80
    finding = find_label_order(counts, EXPRESSIONS[:7], EXPRESSIONS[:7], "raf-0-based")
    assert finding.order == ""
    assert finding.text().startswith(
        "labels fit another order, which is none of the known ones: surprise is fear, fear is disgust, disgust is "
        "surprise: agreement 0.87 against 0.51"
    )


def test_a_reading_that_is_not_known_is_explained_by_a_pair_of_orders() -> None:
    counts = misread("alphabetical-8", "affectnet", 0.7, 1600, np.random.default_rng(0))
    assert counts is not None
    finding = find_label_order(counts, EXPRESSIONS, EXPRESSIONS)
    assert (finding.order, finding.read_by) == ("affectnet", "alphabetical-8")
    assert "as if they were read by `alphabetical-8`" in finding.text()


def test_a_head_without_contempt_judges_a_dataset_with_it() -> None:
    counts = misread("alphabetical-8", "affectnet", 0.6, 1600, np.random.default_rng(0))
    assert counts is not None
    finding = find_label_order(counts[:, :7], EXPRESSIONS, EXPRESSIONS[:7], "alphabetical-8")
    assert finding.order == "affectnet"


@pytest.mark.parametrize(
    ("rows", "words"),
    [((5,) * 8, "found 0 rows and 0 such labels"), ((1000, 1000, 1000, 1000, 9, 9, 9), "4,000 rows and 4 such labels")],
)
def test_too_few_rows_are_not_judged(rows: tuple[int, ...], words: str) -> None:
    n = len(rows)
    counts = np.roll(np.diag(np.array(rows)), 1, axis=1)
    finding = find_label_order(counts, EXPRESSIONS[:n], EXPRESSIONS[:n], "affectnet")
    assert not finding.is_suspicious
    assert words in finding.not_judged
    assert finding.text() == f"label order not judged: {finding.not_judged}"


def test_an_order_without_a_code_that_occurs_is_no_candidate() -> None:
    """RAF-DB's codes count from 1, up to 7: no order of the codes 0 to 6 can be what they mean, unless 7 is absent."""
    labels = tuple(CODE_MAPS["raf-db"].values())
    names = {pair.written_in for pair in order_pairs(labels, "raf-db")}
    assert "affectnet" in names
    assert "fer2013" not in names
    assert "fer2013" in {pair.written_in for pair in order_pairs(labels[:6], "raf-db")}
