"""`report --latex --significance`: what is underlined was compared, and what was not compared is named."""

from __future__ import annotations

import shutil
from pathlib import Path

from scored_runs import CLASSES, answers, write_run

import stages

TABLE = Path("reports/latex/matrix-mini-accuracy.tex")


def two(encoder: str = "mini", labels: tuple[str, ...] = CLASSES * 50, dataset: str = "b") -> None:
    """`cafe` with 100 units right and `linear-probe` with 98 of them: no test sees that they differ."""
    for method, n_right in (("cafe", 100), ("linear-probe", 98)):
        write_run(method, {dataset: answers(n_right, labels=labels)}, encoder=encoder)


def report() -> tuple[str, tuple[str, ...]]:
    notes = stages.report(latex=True, significance=True).notes
    return TABLE.read_text(), tuple(note for note in notes if note.startswith("Significance"))


def test_settings_of_runs_without_scores_do_not_hide_a_mark(empty: Path) -> None:
    """The report names a method by settings in which any of its runs differ, scored or not."""
    two()
    write_run("cafe", {"b": answers(3)}, train="z", config={"lr": 0.002, "scale": "raw"})
    shutil.rmtree("runs/scores/mini/cafe/z")
    table, notes = report()
    assert "cafe (lr=0.001) & \\textbf{66.7}" in table
    assert "linear-probe & \\underline{65.3}" in table
    assert notes == ()


def test_other_rows_under_another_encoder_do_not_hide_a_mark(empty: Path) -> None:
    """The columns of both tables are then named by their rows."""
    two()
    two("lite0", (CLASSES * 50)[:-1])
    table, _ = report()
    assert "b (150 rows)" in table
    assert "linear-probe & \\underline{65.3}" in table


def test_methods_on_other_rows_are_in_other_tables_and_not_compared(empty: Path) -> None:
    write_run("cafe", {"b": answers(100)})
    write_run("linear-probe", {"b": answers(98, labels=(CLASSES * 50)[:-1])})
    stages.report(latex=True, significance=True)
    tables = [path.read_text() for path in sorted(TABLE.parent.glob("matrix-mini-accuracy-set-*.tex"))]
    assert len(tables) == 2
    assert not any("\\underline{" in table for table in tables)


def test_methods_that_train_nothing_are_compared_by_themselves(empty: Path) -> None:
    for train, n_right in (("a", 100), ("c", 98)):
        write_run("zero-shot", {"b": answers(n_right)}, train=train, config={"scale": n_right}, is_random=False)
    table, _ = report()
    assert "zero-shot (scale=98) & \\underline{65.3}" in table


def test_what_was_not_compared_is_named(empty: Path) -> None:
    """Without a seed in common a score has no mark: that is no difference."""
    write_run("cafe", {"b": answers(100), "c": answers(90)}, seed=0)
    write_run("linear-probe", {"b": answers(98), "c": answers(88)}, seed=1)
    table, notes = report()
    assert "\\underline{" not in table
    assert (
        "Means are not tested. Not compared with the best: linear-probe, trained on a, on b; "
        "linear-probe, trained on a, on c." in table
    )
    assert "Significance: Left out: a -> b: seed 0 of cafe, which linear-probe does not have" in notes
