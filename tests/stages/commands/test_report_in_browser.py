"""The report in a browser: rendered without errors, offline, and with the numbers of the tables."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from headless_browser import Browser, find_chromium

from pipeline.footnotes import LEGEND
from pipeline.report.runs import NO_TRAINING
from stages.cli import run

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; on Debian: apt-get install chromium")

WIDTHS = (1280, 390)
READABLE = 4.5  # WCAG 2, level AA
METRICS = ("accuracy", "uar")
METHODS = {"baseline": {"epochs": 1, "backbone": "small"}, "feature-mask": {"epochs": 2}, "linear-probe": {}}

OPEN_EVERYTHING = 'document.querySelectorAll("details").forEach((one) => { one.open = true; })'

MATRICES = """Array.from(document.querySelectorAll(".heatmap:not(.confusion)"), (table) => ({
  name: table.querySelector(".title").firstChild.textContent.trim(),
  rows: Array.from(table.tBodies[0].rows, (row) => Array.from(row.cells, (cell) => cell.innerText.trim())),
  columns: Array.from(table.tHead.rows[0].cells, (cell) => cell.innerText.trim()),
  smallest: Math.min(...Array.from(table.querySelectorAll("tbody td"), (cell) => {
    const box = cell.getBoundingClientRect();
    return Math.min(box.width, box.height);
  })),
})).filter((matrix) => matrix.smallest > 0)"""

# The first number with a decimal that is seen, and where its lower edge is.
FIRST_NUMBER = """(() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const match = /\\d+\\.\\d/.exec(node.data);
    if (!match || !node.parentElement.getClientRects().length) continue;
    const range = document.createRange();
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    return [match[0], range.getBoundingClientRect().bottom];
  }
})()"""

CHOOSE = """(() => {
  const metric = document.getElementById("metric");
  metric.value = "METRIC";
  metric.dispatchEvent(new Event("change", { bubbles: true }));
})()"""

# Every text directly in an element, on the nearest background that is not transparent.
UNREADABLE = """(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = channels(getComputedStyle(one).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  const results = Array.from(document.querySelectorAll("body *")).filter((element) =>
    !element.closest("script, style") && Array.from(element.childNodes).some(isText)
    && element.getBoundingClientRect().width > 1);
  return results.map((element) => {
    const style = getComputedStyle(element);
    const ink = luminance(channels(element.closest("svg") ? style.fill : style.color));
    const paper = luminance(behind(element));
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return [element.textContent.trim().slice(0, 40), contrast];
  }).filter(([, contrast]) => contrast < READABLE);
})()"""


# What is laid out on paper: no two of these may lie on each other, unless one is inside the other.
ON_EACH_OTHER = """(() => {
  const blocks = Array.from(document.querySelectorAll(
    "h1, h2, h3, p, li, dt, dd, table, caption, th, td, figure, svg.chart, svg.chart text, figcaption, summary"));
  const boxes = blocks.map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  const name = (one) => `${one.tagName} ${one.textContent.trim().slice(0, 30)}`;
  const results = [];
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 1 && y > 1 && !one.contains(other) && !other.contains(one)) results.push(`${name(one)} on ${name(other)}`);
  }));
  return results.slice(0, 5);
})()"""

# Boxes and words beyond the right edge of the paper, and words of figures beyond their figure.
CUT = """(() => {
  const inside = (box, frame) => box.left >= frame.left - 1 && box.right <= frame.right + 1;
  const paper = { left: 0, right: document.documentElement.clientWidth };
  const cut = Array.from(document.querySelectorAll("body *")).filter((one) => !one.closest("svg, script"))
    .filter((one) => one.getClientRects().length && !inside(one.getBoundingClientRect(), paper));
  const words = Array.from(document.querySelectorAll("svg.chart text")).filter((one) => one.textContent.trim())
    .filter((one) => !inside(one.getBoundingClientRect(), one.closest("figure, td").getBoundingClientRect()));
  return [...cut, ...words].map((one) => one.outerHTML.slice(0, 80)).slice(0, 5);
})()"""


@pytest.fixture(scope="module")
def reports(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of real runs: four methods on two styles; feature-mask has an encoder that saw both."""
    folder = tmp_path_factory.mktemp("reported") / "project"
    shutil.copytree(finished_project, folder)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["extract"] = {"outputs": ["pooled", "pixels"], "pixel_size": 32}
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"methods": METHODS}))
    with contextlib.chdir(folder):
        _train_and_report()
    return folder / "reports"


def _train_and_report() -> None:
    for dataset in ("sample-a", "sample-e"):
        assert run(["extract", "--dataset", dataset, "--decoders", "1", "--quiet"]) == 0
        for method in (*METHODS, "zero-shot"):
            seeds = "0-1" if method == "feature-mask" else "0"
            assert run(["train", "--method", method, "--dataset", dataset, "--seeds", seeds, "--quiet"]) == 0
    for path in Path("runs/untrained/feature-mask").rglob("run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"encoder_saw": ["sample"]}))
    assert run(["evaluate", "--run", "runs"]) == 0
    assert run(["report"]) == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser.started(CHROMIUM, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, reports: Path) -> Callable[..., Browser]:
    """Opens the report, and all that is folded in it."""

    def opened(width: int = 1280, *, dark: bool = False) -> Browser:
        browser.open(reports / "index.html", width, dark=dark)
        browser.run(OPEN_EVERYTHING)
        return browser

    return opened


def assert_quiet_and_offline(browser: Browser) -> None:
    assert browser.events_of("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []
    urls = [event["request"]["url"] for event in browser.events_of("Network.requestWillBeSent")]
    assert urls
    assert {url.partition(":")[0] for url in urls} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in urls) == 1


def expected_rows(cells: pd.DataFrame, method: str, metric: str) -> dict[str, list[str]]:
    """Train dataset -> its texts, from the table beside the page: each style, then the mean over unseen ones."""
    rows = {}
    for train, rows_of_train in cells.query("method == @method").groupby("train"):
        spread = [(row[metric], row[f"{metric}_sd"]) for row in rows_of_train.to_dict("records")]
        texts = [f"{100 * mean:.1f}" + ("" if pd.isna(sd) else f" ± {100 * sd:.1f}") for mean, sd in spread]
        rows[str(train)] = [*texts, f"{100 * rows_of_train.query('not seen')[metric].mean():.1f}"]
    return rows


def assert_matrices_are_those_of_the_tables(browser: Browser, reports: Path, metric: str, name: str) -> None:
    cells = pd.read_csv(reports / "tables" / "cells.csv")
    matrices = browser.run(MATRICES)
    methods = list(dict.fromkeys(cells["method"]))
    sources = ["pixels (untrained)", *["untrained"] * (len(methods) - 1)]
    assert [matrix["name"] for matrix in matrices] == [
        f"{name} of {method} on {source}" for method, source in zip(methods, sources, strict=True)
    ]
    for method, matrix in zip(methods, matrices, strict=True):
        displayed = {
            row[0]: [" ".join(text.removesuffix("(seen)").split()) for text in row[1:]] for row in matrix["rows"]
        }
        expected = expected_rows(cells, method, metric)
        assert displayed.keys() == expected.keys()
        for train, texts in expected.items():
            assert displayed[train][:-1] == texts[:-1]
            assert displayed[train][-1].split(" ")[0] == texts[-1]


def test_the_page_opens_quietly_and_asks_no_network_for_anything(page: Callable[..., Browser]) -> None:
    assert_quiet_and_offline(page())


def test_every_matrix_is_seen_with_the_numbers_of_the_tables(page: Callable[..., Browser], reports: Path) -> None:
    browser = page()
    assert_matrices_are_those_of_the_tables(browser, reports, "accuracy", "Accuracy")
    browser.run(CHOOSE.replace("METRIC", "uar"))
    assert_matrices_are_those_of_the_tables(browser, reports, "uar", "UAR")


def test_methods_are_in_order_and_what_trains_nothing_is_one_row(page: Callable[..., Browser]) -> None:
    browser = page()
    matrices = browser.run(MATRICES)
    assert [matrix["name"].split()[2] for matrix in matrices] == [
        "baseline",
        "feature-mask",
        "linear-probe",
        "zero-shot",
    ]
    assert [row[0] for row in matrices[-1]["rows"]] == [NO_TRAINING]
    marked = [any("†" in name for name in matrix["columns"]) for matrix in matrices]
    assert marked == [False, True, False, False]
    assert browser.run(f"document.body.innerText.includes({json.dumps(LEGEND)})")


def test_every_chart_is_drawn_and_follows_the_choice_of_a_score(page: Callable[..., Browser]) -> None:
    displayed = """Array.from(document.querySelectorAll("svg.chart"), (one) => {
      const box = one.getBoundingClientRect();
      return [Math.min(box.width, box.height), (one.closest("[data-metric]") || { dataset: {} }).dataset.metric || ""];
    }).filter(([size]) => size > 0)"""
    browser = page()
    for metric in METRICS:
        browser.run(CHOOSE.replace("METRIC", metric))
        charts = browser.run(displayed)
        assert min(size for size, _ in charts) > 20
        assert {of for _, of in charts} == {metric, ""}
    # Of a score: a lane for each method, a panel for each test set. Curves of three runs of feature-mask and
    # linear-probe on each dataset, not of one epoch of baseline nor of zero-shot; reliability within and unseen.
    assert len([of for _, of in charts if of]) == 4 + 2
    assert len([of for _, of in charts if not of]) == 2 * 3 + 2 * 3 + 1
    assert_quiet_and_offline(browser)


def test_marks_are_where_the_axis_says(browser: Browser, reports: Path) -> None:
    """The unseen mark of each method of the ranking, by the ticks of the axis below, to a pixel."""
    browser.open(reports / "index.html")
    places = browser.run("""(() => {
      const table = document.querySelector(".ranking");
      const middle = (one) => { const box = one.getBoundingClientRect(); return box.x + box.width / 2; };
      const lines = Array.from(table.querySelector("svg.chart").querySelectorAll(".grid"), middle);
      const values = Array.from(table.querySelectorAll("tfoot .tick"), (one) => parseFloat(one.textContent));
      const marks = Array.from(table.querySelectorAll("tbody tr"), (row) =>
        [middle(row.querySelector(".mark.unseen")), parseFloat(row.querySelector(".main").textContent)]);
      return { lines, values, marks };
    })()""")
    (x0, *_, x1), (v0, *_, v1) = places["lines"], places["values"]
    assert len(places["marks"]) == 4
    for x, value in places["marks"]:
        assert x == pytest.approx(x0 + (value - v0) / (v1 - v0) * (x1 - x0), abs=1)


@pytest.mark.parametrize("width", [1280, 400])
def test_the_answer_is_seen_at_once(browser: Browser, reports: Path, width: int) -> None:
    """The first score is less than 300 pixels below the top, and below the warning of the stand-in; so is the first row
    of the chart on a wide screen."""
    browser.open(reports / "index.html", width)
    text, bottom = browser.run(FIRST_NUMBER)
    assert bottom < 300
    assert browser.run('document.querySelector(".banner").getBoundingClientRect().bottom') < bottom
    assert text in browser.run('document.querySelector("#summary .headline").textContent')
    row = browser.run('document.querySelector(".ranking tbody tr").getBoundingClientRect().bottom')
    assert row < (300 if width == 1280 else 500)


def test_means_over_a_part_of_the_pairs_fit_into_the_ranking(browser: Browser, reports: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(reports.parent / "runs", runs)
    shutil.rmtree(runs / "scores" / "untrained" / "linear-probe" / "sample-a")
    assert run(["report", "--runs", str(runs), "--reports", str(tmp_path)]) == 0
    for width in WIDTHS:
        browser.open(tmp_path / "index.html", width)
        table, column, text = browser.run("""(() => {
          const table = document.querySelector(".ranking");
          return [table.offsetWidth, table.parentElement.clientWidth, table.innerText];
        })()""")
        assert "(1 of 2 pairs)" in text
        assert table <= column


def test_the_page_is_light(reports: Path) -> None:
    """1,000 bytes are a kB; 600 of them for the sample of `make repro`, which has five datasets and seven methods."""
    assert (reports / "index.html").stat().st_size < 200_000


def test_the_keyboard_reaches_what_a_pointer_does(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")
    tip = '(() => { const tip = document.getElementById("tip"); return tip.hidden ? "" : tip.textContent; })()'
    assert browser.run(tip) == ""
    browser.run('document.querySelector(".panels a.tip").focus()')
    assert browser.run(tip).startswith("sample-a †: N = ")
    browser.run('document.querySelector(".panel svg.chart").focus()')
    said = []
    for _ in range(5):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="ArrowDown", code="ArrowDown")
        said.append(browser.run(tip))
    assert len(set(said[:4])) == 4
    assert all("unseen" in text for text in said)
    assert said[4] == said[0]  # after the last method the first one again
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape")
    assert browser.run(tip) == ""


def test_a_pointer_on_a_test_set_has_its_facts(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")
    place = browser.run("""(async () => {
      const link = document.querySelector("#matrices a.tip");
      link.scrollIntoView({ behavior: "instant", block: "center" });
      for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);  // until the page has the scroll event
      const box = link.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()""")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
    text = browser.run('document.getElementById("tip").innerText')
    for fact in ("N = ", "test split", "labels: ", "train or validation images", "validation split", "seeds: "):
        assert fact in text
    box, width = browser.run(
        '(({ left, right }) => [left, right])(document.getElementById("tip").getBoundingClientRect())'
    )
    assert 0 <= box < width <= 1280


def test_a_click_opens_what_is_folded(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")
    place = browser.run("""(() => {
      const summary = document.querySelector("details summary");
      summary.scrollIntoView({ behavior: "instant", block: "center" });
      const box = summary.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()""")
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
    assert browser.run("document.querySelector('details table').getBoundingClientRect().height > 50")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_of_the_window(page: Callable[..., Browser], width: int) -> None:
    """Wide tables scroll in a frame of their own, which a keyboard can reach."""
    widths = page(width).run("""({
      page: document.documentElement.scrollWidth,
      out: Array.from(document.querySelectorAll("main > section > *, .panel, .scroll")).filter(
        (one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length,
      unreachable: Array.from(document.querySelectorAll(".scroll")).filter((one) => one.tabIndex !== 0).length,
    })""")
    assert widths == {"page": width, "out": 0, "unreachable": 0}


@pytest.mark.parametrize("width", [360, 400])
def test_headers_of_the_ranking_stand_apart_on_a_phone(browser: Browser, reports: Path, width: int) -> None:
    """Words in one line are 6 px apart or more, and none is right of the text below."""
    browser.open(reports / "index.html", width)
    words = browser.run(
        """[...document.querySelectorAll(".ranking thead")].find((head) => head.offsetParent)
        .querySelectorAll("th").values().map((head) => {
          const range = document.createRange();
          range.selectNodeContents(head);
          return range.getBoundingClientRect().toJSON();
        }).toArray()"""
    )
    assert len(words) == 5
    assert max(box["right"] for box in words) <= width - 14
    for one, other in itertools.combinations(words, 2):
        if one["top"] < other["bottom"] and other["top"] < one["bottom"]:
            assert max(one["left"], other["left"]) - min(one["right"], other["right"]) >= 6


def test_matrices_need_no_scrolling_on_a_wide_screen(page: Callable[..., Browser]) -> None:
    wide = (
        'Array.from(document.querySelectorAll(".matrices .scroll")).filter((one) => one.scrollWidth > one.clientWidth)'
    )
    assert page().run(f"{wide}.length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_word_can_be_read(page: Callable[..., Browser], dark: bool) -> None:
    browser = page(dark=dark)
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark
    assert browser.run(UNREADABLE.replace("READABLE", str(READABLE))) == []


@pytest.mark.parametrize("paper", [718, 957], ids=["one to one", "shrunk by a browser"])
def test_on_paper_nothing_lies_on_anything_else_and_nothing_is_cut(page: Callable[..., Browser], paper: int) -> None:
    """A window of 1280 pixels, printed on A4 with margins of 1 cm: 718 pixels, or 957 that are made smaller."""
    browser = page()
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        screen = {"width": paper, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        browser.call("Emulation.setDeviceMetricsOverride", **screen)
        assert browser.run("document.documentElement.scrollWidth") == paper
        assert browser.run(ON_EACH_OTHER) == []
        assert browser.run(CUT) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_paper_has_footnotes_for_what_a_screen_shows_on_hover(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        marks = browser.run("""Array.from(document.querySelectorAll(".panels:not([data-metric=uar]) a.tip"),
          (one) => getComputedStyle(one, "::after").content)""")
        notes = browser.run("""Array.from(document.querySelectorAll(".test-sets li"),
          (one) => [one.innerText.split(":")[0], one.getBoundingClientRect().height > 10])""")
        folded = browser.run('document.querySelector("details").getBoundingClientRect().height')
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert marks == ["attr(data-note)"] * 2 or marks == ['"1"', '"2"']
    assert notes == [["sample-a †", True], ["sample-e †", True]]
    assert folded == 0


def test_the_page_is_as_before_when_it_was_printed(page: Callable[..., Browser]) -> None:
    widths = (
        'Array.from(document.querySelectorAll("svg.chart"), (one) => Math.round(one.getBoundingClientRect().width))'
    )
    browser = page()
    before = browser.run(widths)
    assert browser.print_pdf().startswith(b"%PDF-")
    assert browser.run(widths) == before
    assert_quiet_and_offline(browser)


def test_runs_that_were_not_evaluated_make_a_page_too(
    browser: Browser, project: Path, fer_stage: Callable[..., Any]
) -> None:
    for path in Path("runs").rglob("scores.json"):
        path.unlink()
    fer_stage("report")
    browser.open(Path("reports/index.html"))
    browser.run(OPEN_EVERYTHING)
    assert_quiet_and_offline(browser)
    assert browser.run("document.body.innerText.includes('Not evaluated yet: feature-mask on untrained')")
