"""The page of `browse` in a browser: served and as a folder, without errors, and with the pictures that it says."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import Browser, find_chromium

import stages
from stages.results import BrowseResult

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; on Debian: apt-get install chromium")

READY = """new Promise((done) => {
  const look = () => (document.body.dataset.ready === "yes" ? done() : setTimeout(look, 20));
  look();
})"""
CHOOSE = """((id, value) => {
  const select = document.getElementById(id);
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
})"""
PICTURES = """Array.from(document.querySelectorAll("#pictures button"), (one) => Number(one.dataset.unit))"""
LOADED = """(async () => {
  for (const image of document.querySelectorAll("#pictures img, #detail img")) {
    image.loading = "eager";
    if (!image.complete) await new Promise((done) => { image.onload = image.onerror = done; });
    if (!image.naturalWidth) return image.src;
  }
  return "";
})()"""


@pytest.fixture(scope="module")
def project_folder(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed") / "project"
    shutil.copytree(finished_project, folder)
    return folder


@pytest.fixture(scope="module")
def result(project_folder: Path) -> BrowseResult:
    with contextlib.chdir(project_folder):
        return stages.browse("runs")


@pytest.fixture(scope="module")
def address(result: BrowseResult, project_folder: Path) -> Iterator[str]:
    with contextlib.chdir(project_folder), result.serving() as served:
        yield served


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser.started(CHROMIUM, tmp_path_factory.mktemp("profile")) as started:
        yield started


def opened(browser: Browser, page: Path | str, width: int = 1280, *, dark: bool = False) -> Browser:
    browser.open(page, width, dark=dark)
    browser.run(READY)
    return browser


def assert_quiet(browser: Browser, *origins: str) -> None:
    assert browser.events_of("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []
    urls = [event["request"]["url"] for event in browser.events_of("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith((*origins, "data:"))] == []


def where(browser: Browser, condition: str) -> str:
    browser.run(f"document.getElementById('where').value = {condition!r}; applyWhere()")
    return str(browser.run("document.getElementById('where-message').textContent"))


def test_the_most_confident_mistakes_come_first(browser: Browser, address: str, result: BrowseResult) -> None:
    opened(browser, address)
    ids = result.ids[0][browser.run(PICTURES)].tolist()
    assert ids[:9] == result.frame["id"].tolist()[:9]
    assert browser.run(LOADED) == ""
    n_mistakes = next(iter(result.summary()["mistakes"].values()))
    assert f"{n_mistakes} mistakes" in browser.run("document.getElementById('counts').textContent")
    assert_quiet(browser, address)


def test_the_page_says_that_it_shows_people(browser: Browser, address: str) -> None:
    opened(browser, address)
    assert "shows pictures of people" in browser.run("document.getElementById('warning').innerText")


def test_a_cell_of_the_confusion_opens_its_pictures(browser: Browser, address: str, result: BrowseResult) -> None:
    opened(browser, address)
    counts: list[list[int]] = browser.run(
        "Array.from(document.querySelectorAll('#cells tbody tr'), (row) => "
        "Array.from(row.querySelectorAll('button'), (one) => Number(one.textContent)))"
    )
    frame, classes = result.frame, result.runs[0].classes
    assert counts == [
        [int(((frame["label"] == label) & (frame["prediction"] == name)).sum()) for name in classes]
        for label in classes
    ]
    row, column = next((i, j) for i, cells in enumerate(counts) for j, n in enumerate(cells) if n and i != j)
    browser.run(f"document.querySelectorAll('#cells tbody tr')[{row}].querySelectorAll('button')[{column}].click()")
    shown = set(result.ids[0][browser.run(PICTURES)])
    assert shown == set(frame.query("label == @classes[@row] and prediction == @classes[@column]")["id"])


def test_filters_and_a_condition_leave_what_they_say(browser: Browser, address: str, result: BrowseResult) -> None:
    opened(browser, address)
    frame = result.frame
    browser.run(f"{CHOOSE}('label', {result.maps[0].labels.index('fear')})")
    assert set(result.ids[0][browser.run(PICTURES)]) == set(frame.query("label == 'fear'")["id"])
    assert where(browser, "correct == 0 and dataset == 'sample-e'") == ""
    wrong = frame.query("label == 'fear' and prediction != 'fear' and dataset == 'sample-e (test)'")
    assert set(result.ids[0][browser.run(PICTURES)]) == set(wrong["id"])
    assert "no column 'labl'" in where(browser, "labl == 1")
    assert_quiet(browser, address)


def test_a_click_on_a_point_opens_its_picture_with_neighbors(
    browser: Browser, address: str, result: BrowseResult
) -> None:
    opened(browser, address)
    place = browser.run("""(() => {
      const box = document.getElementById("points").getBoundingClientRect();
      const [x, y] = pixelsOf(7);
      return { x: box.x + x, y: box.y + y, unit: unitAt(x, y) };
    })()""")
    unit = place.pop("unit")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
    assert browser.run("!document.getElementById('hover').hidden")
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)
    browser.run("""(async () => {
      while (!document.querySelectorAll("#near button").length || !document.querySelectorAll("#facts dd").length)
        await new Promise((done) => setTimeout(done, 20));
    })()""")
    assert result.ids[0][unit] in browser.run("document.getElementById('facts').innerText")
    shown = result.frame.set_index("id").loc[result.ids[0][unit]]
    caption = f"{shown['label']} → {shown['prediction']}, {100 * shown['probability']:.1f}\N{NO-BREAK SPACE}%"
    assert browser.run("document.getElementById('unit').innerText") == caption
    assert browser.run("document.querySelectorAll('#near button').length") == 12
    assert browser.run(LOADED) == ""
    assert_quiet(browser, address)


def test_keys_open_pictures_and_zoom(browser: Browser, address: str) -> None:
    opened(browser, address)
    browser.run("document.getElementById('points').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "+"):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert browser.run("[state.chosen, view.scale]") == [browser.run(PICTURES)[1], 1.5]
    assert_quiet(browser, address)


def test_dragging_selects_what_is_inside(browser: Browser, address: str) -> None:
    opened(browser, address)
    box = browser.run("""(() => {
      const box = document.getElementById("points").getBoundingClientRect();
      return [box.x, box.y, box.width, box.height];
    })()""")
    left, top, width, height = box
    points: list[dict[str, Any]] = [{"x": left + 1, "y": top + 1}, {"x": left + width / 2, "y": top + height - 1}]
    browser.call("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, **points[0])
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", **points[1])
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **points[1])
    expected = browser.run(
        f"Array.from(xs(), (_, i) => i).filter((i) => pixelsOf(i)[0] <= {width / 2}).sort((a, b) => a - b)"
    )
    assert sorted(browser.run("Array.from(state.shown)")) == expected
    assert 0 < len(expected) < browser.run("mapHead().n")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_sticks_out_of_the_window(browser: Browser, address: str, width: int, dark: bool) -> None:
    opened(browser, address, width, dark=dark)
    browser.run("openUnit(0)")
    assert browser.run("document.documentElement.scrollWidth") == width
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark


def test_a_folder_opens_without_a_server_and_asks_no_network(browser: Browser, project_folder: Path) -> None:
    with contextlib.chdir(project_folder):
        result = stages.browse("runs", datasets="sample-e", out="page")
    opened(browser, project_folder / "page" / "index.html")
    assert result.ids[0][browser.run(PICTURES)].tolist()[:5] == result.frame["id"].tolist()[:5]
    assert browser.run("document.getElementById('where')") is None
    assert "do not publish" in browser.run("document.getElementById('warning').innerText")
    browser.run("openUnit(0)")
    browser.run("load('near-0-0').then(() => 1)")
    assert browser.run(LOADED) == ""
    assert_quiet(browser, "file:")
