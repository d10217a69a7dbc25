"""The plot of a video: whole XML, a panel for each person, lines that are interrupted where the person is away."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from videos import every

from pipeline.predict.lazy_images import VideoFile
from pipeline.predict.plots import plot
from pipeline.predict.prediction import FACE, Prediction
from pipeline.predict.tracked_video import VideoTrace

SVG = "{http://www.w3.org/2000/svg}"


def row(track: int, start_s: float, anger: float) -> tuple[int, Prediction]:
    probabilities = {"anger": anger, "neutral": 0.99 - anger, "fear": 0.01}
    part = {"track": track, "start_s": start_s, "end_s": start_s + 2}
    return track, Prediction("a", FACE, expression="anger", probabilities=probabilities, n_frames=10, **part)


def svg(name: str, *rows: tuple[int, Prediction]) -> ElementTree.Element:
    return ElementTree.fromstring(plot(VideoTrace(VideoFile(Path(name), every(0.2)), {}, list(rows))))


def test_each_person_has_lines_of_the_expressions_that_matter() -> None:
    root = svg("a.mp4", row(0, 0, 0.5), row(1, 0, 0.5), row(0, 1, 0.6))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts[0] == "a.mp4"
    assert texts.count("anger") == texts.count("neutral") == 2
    assert "fear" not in texts
    assert len(list(root.iter(f"{SVG}polyline"))) == 4


def test_lines_are_interrupted_where_a_person_is_away() -> None:
    root = svg("a.mp4", row(0, 0, 0.5), row(0, 1, 0.5), row(0, 8, 0.5))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2 * 2


def test_names_are_no_markup() -> None:
    assert svg("<b>&\x07.mp4", row(0, 0, 0.5)).find(f"{SVG}text").text == "<b>&_.mp4"  # type: ignore[union-attr]


def test_of_very_many_people_those_with_most_rows_are_shown() -> None:
    rows = [row(track, start, 0.5) for track in range(30) for start in range(1 + (track >= 10))]
    root = svg("a.mp4", *rows)
    titles = [element.text for element in root.iter(f"{SVG}text")]
    assert titles[0] == "a.mp4 (10 people with fewer predictions are not shown)"
    assert [title for title in titles if title and title.startswith("person")] == [f"person {i}" for i in range(10, 30)]
