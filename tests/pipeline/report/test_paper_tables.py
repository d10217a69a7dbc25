"""LaTeX tables: what is in which cell, what is bold, and that any name gives LaTeX that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import STAND_IN, crossed_runs, make_run, score_json

from pipeline.report import ReportRun
from pipeline.report.groups import group_runs
from pipeline.report.paper.escaping import escaped
from pipeline.report.paper.latex import LatexCell, LatexTable, file_stem, latex_figure, preview
from pipeline.report.paper.results import Uncertainty
from pipeline.report.paper.tables import latex_tables
from pipeline.report.words import words_table

NASTY = r"50%_of & #1 {a} \b $x$ ~ ^ -- <|> ± λ é 😀 [c]"


def tables(runs: list[ReportRun], uncertainty: Uncertainty = "seeds") -> dict[str, LatexTable]:
    return {table.name: table for table in latex_tables(group_runs(runs), uncertainty)}


def texts(table: LatexTable) -> list[list[str]]:
    """The rows; the best of a column with a star before it."""
    return [
        ["*" * cell.is_best + f"{cell.text} {cell.spread}".strip() for cell in row]
        for block in table.blocks
        for row in block
    ]


def of_method(method: str, *accuracies: float, **changes: Any) -> ReportRun:
    """Trained on a; scored on a, b and c, as far as there are accuracies."""
    scores = [score_json(test, value, seen=test == "a") for test, value in zip("abc", accuracies, strict=False)]
    return make_run(scores, method=method, **changes)


def test_the_matrix_has_a_block_for_each_train_dataset_with_deviations_over_seeds() -> None:
    """Trained on a: 0.90 and 0.92 have mean 0.91 and deviation 0.02 / sqrt(2); unseen b and c (0.60 + 0.50) / 2 = 0.55
    and (0.64 + 0.46) / 2 = 0.55. Trained on b: unseen a and c (0.40 + 0.30) / 2 = 0.35 and (0.50 + 0.30) / 2 = 0.40.
    """
    table = tables(crossed_runs())["matrix-mini-accuracy"]
    assert table.columns == ("Train", "Method", "a", "b", "c", "Unseen mean")
    assert len(table.blocks) == 2
    assert texts(table) == [
        ["a", "probe", "91.0 ± 1.4", "62.0 ± 2.8", "48.0 ± 2.8", "55.0 ± 0.0"],
        ["b", "probe", "45.0 ± 7.1", "82.0 ± 2.8", "30.0 ± 0.0", "37.5 ± 3.5"],
    ]


def test_intervals_are_those_of_the_scores_and_numbers_can_stand_alone() -> None:
    runs = [of_method("cafe", 0.5)]
    assert texts(tables(runs, "interval")["matrix-mini-accuracy"]) == [["a", "cafe", "50.0 [25.0, 75.0]"]]
    assert texts(tables(runs, "none")["matrix-mini-accuracy"]) == [["a", "cafe", "50.0"]]


def test_the_best_of_each_column_and_all_that_look_equal_are_bold() -> None:
    """0.7004 and 0.70 are both 70.0; alone in a column, nothing is best."""
    runs = [of_method("cafe", 0.7004, 0.5), of_method("linear-probe", 0.70, 0.6), of_method("scn", 0.2)]
    rows = {row[1]: row[2:] for row in texts(tables(runs)["matrix-mini-accuracy"])}
    assert rows == {"scn": ["20.0", "—"], "cafe": ["*70.0", "50.0"], "linear-probe": ["*70.0", "*60.0"]}
    assert texts(tables([of_method("cafe", 0.7)])["matrix-mini-accuracy"]) == [["a", "cafe", "70.0"]]


def test_what_is_not_seen_to_differ_from_all_that_are_best_is_underlined() -> None:
    """On b cafe and scn are best; of rul only the difference from one of them was tested."""
    names = ("cafe", "scn", "rul", "linear-probe")
    runs = [
        of_method(name, 0.5 + i / 10, b) for i, (name, b) in enumerate(zip(names, (0.9, 0.9, 0.8, 0.7), strict=True))
    ]
    seen = {
        ("a", "a", frozenset({"linear-probe", "cafe"})): True,
        ("a", "a", frozenset({"linear-probe", "rul"})): False,
        ("a", "b", frozenset({"rul", "cafe"})): False,
        ("a", "b", frozenset({"linear-probe", "cafe"})): False,
        ("a", "b", frozenset({"linear-probe", "scn"})): False,
    }
    groups = group_runs(runs)
    every = {table.name: table for table in latex_tables(groups, "none", lambda encoder, metric: seen)}
    table = every["matrix-mini-accuracy"]
    tied = {(row[1].text, table.columns[i]) for row in table.blocks[0] for i, cell in enumerate(row) if cell.is_tied}
    assert tied == {("rul", "a"), ("linear-probe", "b")}
    assert "\\underline{70.0}" in table.as_latex()
    assert "Underlined" in table.caption
    assert "Underlined" not in tables(runs)["matrix-mini-accuracy"].caption


def test_means_are_over_the_unseen_test_sets_that_all_methods_of_a_block_have() -> None:
    """cafe was also scored on c; linear-probe was not: both means are of b alone, and there is no column for it."""
    both = [of_method("cafe", 0.9, 0.5, 0.1), of_method("linear-probe", 0.9, 0.6)]
    assert tables(both)["matrix-mini-accuracy"].columns == ("Train", "Method", "a", "b", "c")
    table = tables([of_method("cafe", 0.9, 0.5, 0.1), of_method("linear-probe", 0.9, 0.6, 0.2)])["matrix-mini-accuracy"]
    assert [row[-1] for row in texts(table)] == ["30.0", "*40.0"]
    assert "(a: b, c)" in table.caption


def test_a_method_that_trains_nothing_is_in_every_block() -> None:
    zero = make_run([score_json(test, 0.95, seen=test == "a") for test in "abc"], method="zero-shot", is_random=False)
    rows = texts(tables([*crossed_runs(), zero], "none")["matrix-mini-accuracy"])
    assert [row[:2] for row in rows] == [["a", "probe"], ["", "zero-shot"], ["b", "probe"], ["", "zero-shot"]]
    assert all(cell == "*95.0" for row in (rows[1], rows[3]) for cell in row[2:])


def test_the_caption_has_n_split_seeds_encoder_and_stand_in() -> None:
    caption = tables(crossed_runs(encoder_note=STAND_IN))["matrix-mini-accuracy"].caption
    assert "Test images: a 20, b 20, c 20." in caption
    assert "Seeds: 0, 1." in caption
    assert "Encoder: mini." in caption
    assert caption.count("STAND-IN") == 1


def test_the_caption_has_the_seeds_that_scores_are_of() -> None:
    """Seed 2 was trained and not scored: no number is of it. Of seed 1 there is no score on b."""
    runs = [of_method("cafe", 0.5, 0.4, seed=0), of_method("cafe", 0.5, seed=1), of_method("cafe", seed=2)]
    caption = tables(runs)["matrix-mini-accuracy"].caption
    assert "Seeds: 0, 1, not all of every score" in caption


def test_footnote_symbols_are_raised_and_explained() -> None:
    table = tables([make_run([score_json("b", 0.5, encoder_saw=True, overlap=None)], method="cafe")])["matrix-mini-uar"]
    assert r"\textsuperscript{$\dagger$ $\equiv$ ?}" in table.as_latex()
    assert "† seen domain" in table.caption
    assert "≡ n %" in table.caption
    assert "‡" not in table.caption


def test_recalls_of_a_pair_stand_beside_its_scores() -> None:
    table = tables([of_method("cafe", 0.45)])["recall-mini-a-a"]
    assert table.columns == ("Method", "surprise", "fear", "disgust", "Accuracy", "UAR")
    assert texts(table) == [["cafe", "70.0", "20.0", "—", "45.0", "50.0"]]
    assert "surprise 10, fear 10, disgust 0" in table.caption


def test_variants_of_a_method_are_a_table_by_the_options_that_differ() -> None:
    variants = [
        of_method("cafe", accuracy, variant=f"beta_div={beta}", config={"lr": 0.1, "beta_div": beta, "sigmoid": True})
        for beta, accuracy in ((5.0, 0.6), (10.0, 0.7))
    ]
    table = tables(variants)["ablation-mini-cafe-accuracy"]
    assert table.columns == ("Train", "beta_div", "a")
    assert texts(table) == [["a", "5", "60.0"], ["", "10", "*70.0"]]
    assert "ablation-mini-cafe-accuracy" not in tables(variants[:1])


def test_nearest_words_are_a_table_and_rows_for_a_csv() -> None:
    words = {"surprise": [[[["gasp", 0.5], ["wow", 0.75]]]], "fear": [[[["scream_", 1.0], ["run", 1.5]]]]}
    run = of_method("metd", 0.5, findings={"nearest_words": words})
    table = tables([run])["words-mini-metd-a"]
    assert table.columns == ("Expression", "Descriptor", "Token 1")
    assert texts(table) == [["surprise", "1", "gasp (0.50)"], ["fear", "1", "scream_ (1.00)"]]
    rows = words_table(group_runs([run]))
    assert rows[["expression", "descriptor", "token", "rank", "word", "distance"]].to_numpy().tolist() == [
        ["surprise", 1, 1, 1, "gasp", 0.5],
        ["surprise", 1, 1, 2, "wow", 0.75],
        ["fear", 1, 1, 1, "scream_", 1.0],
        ["fear", 1, 1, 2, "run", 1.5],
    ]


def test_the_words_of_a_shared_context_are_one_descriptor() -> None:
    run = of_method("coop", 0.5, findings={"nearest_words": {"every class": [[["a", 0.1]], [["photo", 0.2]]]}})
    assert texts(tables([run])["words-mini-coop-a"]) == [["every class", "1", "a (0.10)", "photo (0.20)"]]


def test_names_that_are_one_name_of_a_file_get_numbers() -> None:
    runs = [of_method("cafe", 0.5, encoder=encoder) for encoder in ("m-x", "m_x")]
    names = list(tables(runs))
    assert {"matrix-m-x-accuracy", "matrix-m-x-accuracy-2"} <= set(names)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("50 % of a_b & #1", r"50 \% of a\_b \& \#1"),
        ("a--b", "a-{}-b"),
        ("{x} \\ $", r"\{x\} \textbackslash{} \$"),
        ("1 ± 2 † λ", r"1 $\pm$ 2 $\dagger$ $\lambda$"),
        ("ανξοπρςστω", r"$\alpha$$\nu$$\xi$U+03BF$\pi$$\rho$$\varsigma$$\sigma$$\tau$$\omega$"),
        ("\N{MINUS SIGN}1 ≤ 2", r"$-$1 $\leq$ 2"),
        ("e\N{COMBINING ACUTE ACCENT}", r"\'{e}"),
        ("Müller", r"M\"{u}ller"),
        ("😀", "U+1F600"),
        ("two\nlines", "two lines"),
    ],
)
def test_text_becomes_latex(text: str, latex: str) -> None:
    assert escaped(text) == latex


@given(st.text(max_size=30))
def test_any_text_becomes_balanced_ascii_without_bare_commands(text: str) -> None:
    latex = escaped(text)
    assert latex.isascii()
    plain = re.sub(r"\\[{}$&#_%]", "", latex)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert not re.search(r"[&#%_^~]", re.sub(r"\\[\^~]\{", "", plain))


def test_a_row_that_begins_with_a_bracket_is_no_option_of_the_line_before() -> None:
    table = LatexTable("t", "c", ("A",), 1, (((LatexCell("[1em]"),), (LatexCell("[2em]"),)),))
    assert "\\\\\n{}[2em]" in table.as_latex()


def test_names_of_files_are_letters_digits_and_dashes() -> None:
    assert file_stem("ablation", "a_b", "cafe beta_div=5.0", "") == "ablation-a-b-cafe-beta-div-5-0"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI has not")
def test_all_of_it_compiles(tmp_path: Path) -> None:
    words, note = {NASTY: [[[[NASTY, 0.5]]]]}, {"encoder_note": NASTY}
    runs = [*crossed_runs(encoder_note=NASTY), of_method("metd", 0.5, findings={"nearest_words": words}, **note)]
    every = latex_tables(group_runs([*runs, of_method("cafe", 0.1, variant="x=[1]", config={"x": NASTY}, **note)]))
    every.append(
        LatexTable("nasty", NASTY, (NASTY, "b"), 1, (((LatexCell(NASTY), LatexCell("1", "± 2", "†", True)),),))
    )
    for table in every:
        (tmp_path / f"{table.name}.tex").write_text(table.as_latex())
    (tmp_path / "preview.tex").write_text(preview([table.name for table in every]))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "preview.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_the_environment_of_a_figure_is_as_wide_as_the_figure() -> None:
    assert "\\begin{figure}[t]" in latex_figure("x", "a % b", is_wide=False)
    assert "a \\% b" in latex_figure("x", "a % b", is_wide=False)
    assert "\\includegraphics[width=\\textwidth]{x.pdf}" in latex_figure("x", "", is_wide=True)
