"""The page of `browse` by http: what is answered, and to whom."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

import stages
from stages.errors import StageError
from stages.results import BrowseResult
from stages.workflows.predictions import predictions_of

RUN = Path("runs/untrained/feature-mask/sample-a/seed-0")


class Served(NamedTuple):
    """A page that is served, with the folder that it was made in."""

    folder: Path
    result: BrowseResult
    host: str
    token: str

    def get(self, name: str, *, token: str | None = None, host: str | None = None, method: str = "GET") -> Any:
        """Status, headers and content; the path is sent as it is."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        path = name if name.startswith("//") else f"/{self.token if token is None else token}/{name}"
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or self.host)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def data(self, name: str) -> Any:
        """The value of a file of data."""
        status, _, content = self.get(f"data/{name}.js")
        assert status == 200
        return json.loads(f"[{content.decode().removeprefix('loaded(').removesuffix(');' + chr(10))}]")[1]

    def where(self, text: str, run: int = 0) -> Any:
        status, _, content = self.get(f"where?map=0&run={run}&q={quote(text)}")
        assert status == 200
        return json.loads(content)

    def selected(self, text: str) -> set[str]:
        """Ids of the units that meet a condition."""
        bits = np.frombuffer(base64.b64decode(self.where(text)["bits"]), np.uint8)
        return set(self.result.ids[0][np.unpackbits(bits, bitorder="little")[: len(self.result.ids[0])] == 1])


@pytest.fixture(scope="module")
def served(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("browsed") / "project"
    shutil.copytree(finished_project, folder)
    with contextlib.chdir(folder):
        (folder / "secret.txt").write_text("secret")
        result = stages.browse("runs")
        with result.serving() as address:
            url = urlsplit(address)
            yield Served(folder, result, url.netloc, url.path.strip("/"))


def test_the_page_and_all_its_files_are_answered(served: Served) -> None:
    for name in ("", "page.js", "scatter.js", "views.js", "page.css", "data/head.js", "data/map-0.js", "data/run-0.js"):
        status, headers, content = served.get(name)
        assert status == 200
        assert content
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.txt", "../../etc/passwd", "%2e%2e/secret.txt", "secret.txt", "data/../secret.txt", "page.html.j2"),
        *("pictures/0-99999.jpg", "pictures/9-0.jpg", "pictures/0-0-0.jpg", "pictures/0-٣.jpg".encode().hex()),
        *("data/rows-0-9999.js", "data/near-0-9999.js", "data/map-1.js", "data/run-1.js", "pictures/-1-0.jpg"),
        *("where?map=9&run=0&q=x", "where?map=0&run=9&q=x", "where?map=0&run=-2&q=x", "where", "data/head.js/"),
    ],
)
def test_no_other_name_is_answered(served: Served, name: str) -> None:
    status, _, content = served.get(name)
    assert status == 404
    assert b"secret" not in content


@pytest.mark.parametrize("token", ["", "x", "..", "é".encode().hex()])
def test_nothing_is_answered_without_the_token(served: Served, token: str) -> None:
    assert served.get("page.js", token=token)[0] == 404
    assert served.get(f"//{served.token}x/page.js")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost"])
def test_a_name_that_was_pointed_at_this_machine_gets_nothing(served: Served, host: str) -> None:
    assert served.get("page.js", host=host)[0] == 403
    port = served.host.rpartition(":")[2]
    assert served.get("page.js", host=f"localhost:{port}")[0] == 200


def test_nothing_can_be_posted(served: Served) -> None:
    assert served.get("page.js", method="POST")[0] == 501


def test_only_this_machine_is_listened_to(served: Served) -> None:
    assert served.host.startswith("127.0.0.1:")


def test_predictions_of_the_page_are_those_of_evaluate(served: Served) -> None:
    with contextlib.chdir(served.folder):
        _, predictions = predictions_of(RUN, "sample-e")
    expected = predictions.frame.set_index("id")
    frame = served.result.frame.query("dataset == 'sample-e (test)'").set_index("id").loc[expected.index]
    assert frame["prediction"].tolist() == expected["prediction"].tolist()
    assert frame["label"].tolist() == expected["label"].tolist()
    np.testing.assert_array_equal(frame["probability"].to_numpy(np.float32), expected["probability"].to_numpy())
    wrong = (expected["prediction"] != expected["label"]).sum()
    with contextlib.chdir(served.folder):
        _, of_a = predictions_of(RUN, "sample-a")
    n_mistakes = wrong + (of_a.predicted != of_a.labels).sum()
    assert served.result.summary()["mistakes"] == {"feature-mask on sample-a, seed 0 (untrained)": n_mistakes}
    first = served.result.frame.iloc[:n_mistakes]
    assert (first["prediction"] != first["label"]).all()
    assert first["probability"].is_monotonic_decreasing


def test_pictures_are_those_of_the_files(served: Served) -> None:
    """The drawn picture, as the encoder sees it: its square, resized to 160 pixels; JPEG changes it by a few levels."""
    rows = served.data("rows-0-0")
    with contextlib.chdir(served.folder):
        source = "sample-a" if rows[0]["path"].startswith("images/a") else "sample-e"
        original = Image.open(Path("data", source, rows[0]["path"])).convert("RGB").resize((160, 160), Image.BICUBIC)
    _, headers, content = served.get("pictures/0-0.jpg")
    assert headers["Content-Type"] == "image/jpeg"
    thumbnail = Image.open(io.BytesIO(content))
    assert not thumbnail.getexif()
    difference = np.abs(np.asarray(thumbnail, float) - np.asarray(original, float)).mean()
    assert difference < 6


def test_a_condition_is_that_of_query_and_knows_predictions(served: Served) -> None:
    frame = served.result.frame
    assert served.selected("label == 'fear' and dataset == 'sample-e'") == set(
        frame.query("label == 'fear' and dataset == 'sample-e (test)'")["id"]
    )
    wrong = set(frame.query("label != prediction")["id"])
    assert served.selected("correct == 0") == wrong
    assert served.selected("correct == 0 and probability > 0.1") == wrong
    assert served.selected("result == 'scored' and prediction in ('fear', 'anger')") == set(
        frame.query("prediction in ('fear', 'anger')")["id"]
    )


def test_a_wrong_condition_is_an_error_that_names_the_column(served: Served) -> None:
    assert "no column 'labl'. Did you mean 'label'?" in served.where("labl == 'fear'")["error"]
    assert "error" in served.where("__import__('os').system('true')")
    assert served.where("label == 'faer'")["note"] == "no unit has label == 'faer'; did you mean 'fear'?"
    assert "no column 'prediction'" in served.where("prediction == 'fear'", run=-1)["error"]


def test_neighbors_are_the_exact_nearest_units(served: Served) -> None:
    with contextlib.chdir(served.folder):
        stores = [
            stages.query(f"features/untrained/{name}.zarr", where="split == 'test'")
            for name in ("sample-a", "sample-e")
        ]
        features = np.concatenate([one.numpy().astype(float) for one in stores])
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit[3]
    order = [i for i in np.argsort(-cosines, kind="stable") if i != 3][:12]
    near = served.data("near-0-3")
    assert near["units"] == order
    np.testing.assert_allclose(near["cosines"], cosines[order], atol=1e-4)


def test_a_picture_that_is_gone_is_a_grey_square_that_says_so(project: Path) -> None:
    shutil.move("data/sample-e", "data/elsewhere")
    Path("data/sample-a/images").rename("data/sample-a/moved")
    result = stages.browse("runs")
    with result.serving() as address:
        url = urlsplit(address)
        page = Served(project, result, url.netloc, url.path.strip("/"))
        for unit in (0, len(result.ids[0]) - 1):
            status, _, content = page.get(f"pictures/0-{unit}.jpg")
            assert status == 200
            pixels = np.asarray(Image.open(io.BytesIO(content)), int)
            assert np.abs(np.median(pixels, axis=(0, 1)) - 118).max() < 6
    folder = stages.browse("runs", out="page")
    missing = [note for note in folder.notes if "grey square" in note]
    assert sum(int(note.split()[0]) for note in missing) == len(result.ids[0])
    assert any("the files of sample-e are not at data/sample-e" in note for note in missing)
    assert len(missing) == 4  # a reason names the file: those of sample-a are all different


def test_a_port_that_is_taken_is_an_error_with_another_way(served: Served, project: Path) -> None:
    port = int(served.host.rpartition(":")[2])
    with (
        pytest.raises(StageError, match=f"--port {port}: expected a free port"),
        stages.browse("runs", port=port).serving(),
    ):
        pass
