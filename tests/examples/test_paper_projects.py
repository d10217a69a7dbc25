"""Each project of examples/papers from datasets to its table, on tiny trees of the public layouts.

Weights are random: of one project they have the architecture of CLIP's ViT-B/32, of the others that of a smaller CLIP.
Networks are small ones of one epoch, but where a table is about networks. What is checked is the way, not a number.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from documented import ROOT
from encoder_models import write_clip_folder, write_clip_weights
from PIL import Image

import stages
from pipeline.published import published_claims

pytestmark = pytest.mark.slow

PAPERS = ROOT / "examples" / "papers"
NAMES = sorted(path.parent.name for path in PAPERS.glob("*/params.yaml"))
RAF = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
FOLDERS = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")
FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
ARCHITECTURE, OF_REAL_ARCHITECTURE = "ViT-B-32-quickgelu", ("cafe-table-2",)
_IMAGE = {"epochs": 1, "backbone": "small", "pretrained": ""}
_TUNED = {"epochs": 1, "batch_size": 8}
QUICK: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("baseline", "scn", "rul", "eac", "cafe"), _IMAGE),
    "zero-shot": {},
    "linear-probe": {"min_log10_c": -1, "max_log10_c": 1, "refinements": 0},
    "coop": {"epochs": 1},
    "cocoop": {"epochs": 1, "batch_size": 7},
    "fine-tune": _TUNED,
    "cliper": _TUNED | {"first_epochs": 1},
    "kefer": {"epochs": 1, "pretrained": "", "warmup_epochs": 0},
}


def _picture(rng: np.random.Generator) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def _rows() -> Iterator[tuple[int, int, str]]:
    """Number, expression and split of four images of each expression."""
    yield from ((i, i % 7, ("train", "train", "val", "test")[i // 7]) for i in range(28))


def _raf_db() -> Iterator[tuple[str, bytes | str]]:
    lines = []
    for i, code, split in _rows():
        stem = f"{'test' if split == 'test' else 'train'}_{i:05d}"
        yield f"basic/Image/aligned/{stem}_aligned.jpg", b""
        lines.append(f"{stem}.jpg {code + 1}\n")
    yield "basic/EmoLabel/list_patition_label.txt", "".join(lines)


def _ferplus() -> Iterator[tuple[str, bytes | str]]:
    folders = {"train": ("Training", "Train"), "val": ("PublicTest", "Valid"), "test": ("PrivateTest", "Test")}
    lines = [f"Usage,Image name,{','.join(FERPLUS)}\n"]
    for i, code, split in _rows():
        usage, folder = folders[split]
        yield f"data/FER2013{folder}/fer{i:07d}.png", b""
        lines.append(f"{usage},fer{i:07d}.png,{','.join('10' if name == RAF[code] else '0' for name in FERPLUS)}\n")
    yield "fer2013new.csv", "".join(lines)


def _affectnet() -> Iterator[tuple[str, bytes | str]]:
    codes = (3, 4, 5, 1, 2, 6, 0)
    for i, code, split in _rows():
        yield f"{'val' if split == 'test' else 'train'}/{codes[code]}/{i}.jpg", b""
    yield from ((f"{split}/7/{i}.jpg", b"") for i, split in enumerate(("train", "train", "train", "val")))


def _class_folders(form: str, **splits: str) -> Callable[[], Iterator[tuple[str, bytes | str]]]:
    def files() -> Iterator[tuple[str, bytes | str]]:
        for i, code, split in _rows():
            if split in splits:
                yield form.format(split=splits[split], name=FOLDERS[code], i=i), b""

    return files


def _ck_plus() -> Iterator[tuple[str, bytes | str]]:
    """A person for each of twelve sequences; code 3 is disgust, 5 happiness."""
    for i in range(12):
        name = f"S{i:03d}/001/S{i:03d}_001"
        yield from ((f"cohn-kanade-images/{name}_0000000{frame}.png", b"") for frame in (1, 2))
        yield f"Emotion/{name}_00000002_emotion.txt", f"   {3 + 2 * (i % 2)}.0000000e+00\n"


def _ferv39k() -> Iterator[tuple[str, bytes | str]]:
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for i, code, split in _rows():
        clip = f"Action/{FOLDERS[code]}/{i:04d}"
        yield from ((f"FERV39k/2_ClipsforFaceCrop/{clip}/{frame}.jpg", b"") for frame in (1, 2))
        lists["test" if split == "test" else "train"].append(f"{clip} {FOLDERS[code]}\n")
    for split, some in lists.items():
        yield f"FERV39k/4_setups/All_scenes/{split}_All.csv", "".join(some)


def _dfew() -> Iterator[tuple[str, bytes | str]]:
    """35 clips, of five folds; codes from 1."""
    codes = (5, 7, 6, 1, 2, 4, 3)
    for i in range(35):
        yield from ((f"DFEW/Clip/clip_224x224/{i:05d}/{frame}.jpg", b"") for frame in (1, 2))
    for fold in range(5):
        for split in ("train", "test"):
            chosen = [i for i in range(35) if (i // 7 == fold) == (split == "test")]
            lines = "".join(f"{i},{codes[i % 7]}\n" for i in chosen)
            name = f"DFEW/EmoLabel_DataSplit/{split}(single-labeled)/set_{fold + 1}.csv"
            yield name, f"video_name,label\n{lines}"


SETS: dict[str, Callable[[], Iterator[tuple[str, bytes | str]]]] = {
    "raf-db": _raf_db,
    "ferplus": _ferplus,
    "affectnet": _affectnet,
    "sfew": _class_folders("{split}/Aligned/{name}/{i}.png", train="Train", val="Train", test="Val"),
    "sfew-train": _class_folders("{split}/{name}/{i}.png", train="test", val="test"),
    "mma": _class_folders("MMAFEDB/{split}/{name}/{i}.jpg", train="train", val="valid", test="test"),
    "ferv39k": _ferv39k,
    "dfew": _dfew,
    "afew": _class_folders("AFEW_Face/{split}/{name}/0_1_{i:09d}/1.jpg", train="train", val="train", test="validation"),
    "ck-plus": _ck_plus,
}


class Machine:
    """Features of some sets under one encoder, which projects share: `datasets` are those of params.yaml."""

    def __init__(self, folder: Path, spec: str, block: str, classes: int = 7) -> None:
        self.folder, self.spec, self.block, self.classes = folder, spec, block, classes
        self.extracted: set[str] = set()
        self.extract = {"outputs": ["pooled", "pixels", block], "pixel_size": 32}

    def params(self, name: str) -> dict[str, Any]:
        """Those of an example, for this machine: its encoder, quick settings and one seed."""
        params: dict[str, Any] = yaml.safe_load((PAPERS / name / "params.yaml").read_text())
        assert params["classes"] == self.classes
        for method, block in params["methods"].items():
            grid = block.get("grid", [])
            grids = grid if isinstance(grid, list) else [grid]
            axes = {axis for one in grids for axis in one}
            for one in grids:  # the ends of long axes
                one.update({axis: [*values[:1], *values[-1:]] for axis, values in one.items() if len(values) > 2})
            known = {option: value for option, value in QUICK[method].items() if option not in axes}
            block.update(known | self._input(block))
        params["run"]["seeds"] = [0]
        quick = {"prompts": "clip"} if name in OF_REAL_ARCHITECTURE else {}  # one template; its methods read no text
        return params | quick | {"encoders": {"clip": self.spec}, "extract": params["extract"] | self.extract}

    def _input(self, block: dict[str, Any]) -> dict[str, Any]:
        """Of a tuned image network the last block alone is trained; KE-FER's other network is a small one."""
        method, recipe = block["recipe"].split("/")
        if method in ("fine-tune", "cliper"):
            return {"input": self.block}
        if method == "kefer":
            return {"input": self.block} if recipe.endswith("-vit") else {"backbone": "small"}
        return {}

    def run(self, name: str) -> None:
        """From the sets to the table of published values, by the functions of the stages of dvc.yaml."""
        os.chdir(self.folder)
        params = self.params(name)
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for dataset in params["run"]["datasets"]:
            self._extract(dataset)
        stages.encode_text("clip")
        runs = Path("runs") / name
        for method in params["run"]["methods"]:
            stages.train(method, encoder="clip", runs=runs, device="cpu", quiet=True)
        stages.evaluate(runs, device="cpu")
        stages.report(runs=runs, reports=Path("reports") / name)

    def _extract(self, dataset: str) -> None:
        if dataset in self.extracted:
            return
        rng = np.random.default_rng(len(dataset))
        for path, content in SETS[dataset]():
            file = Path("data") / dataset / path
            file.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else _picture(rng)
            file.write_bytes(data)
        stages.index(dataset, quiet=True)
        stages.extract(dataset, encoder="clip", device="cpu", quiet=True)
        self.extracted.add(dataset)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    here, folder = Path.cwd(), tmp_path_factory.mktemp("papers")
    small, _ = write_clip_folder(folder / "small")
    weights = folder / "clip.safetensors"
    write_clip_weights(weights)
    made = {
        "real": Machine(folder / "a", f"open_clip:{ARCHITECTURE}@{weights}", "block-11"),
        "small": Machine(folder / "b", f"open_clip:small@{small}", "block-1"),
        "eight": Machine(folder / "c", f"open_clip:small@{small}", "block-1", classes=8),
    }
    for machine in made.values():
        machine.folder.mkdir()
    yield made
    os.chdir(here)
    weights.unlink()


@pytest.mark.parametrize("name", NAMES)
def test_each_makes_its_table_and_says_why_it_is_not_the_papers(name: str, machines: dict[str, Machine]) -> None:
    params = yaml.safe_load((PAPERS / name / "params.yaml").read_text())
    machine = machines["eight" if params["classes"] == 8 else "real" if name in OF_REAL_ARCHITECTURE else "small"]
    machine.run(name)
    tables = Path("reports") / name / "tables"
    frame, cells = pd.read_csv(tables / "published.csv"), pd.read_csv(tables / "cells.csv")
    assert set(frame["verdict"]) == {"not comparable"}
    of_encoder = frame[~frame["method"].str.split().str[0].isin(["baseline", "scn", "rul", "eac"])]
    assert of_encoder["reasons"].str.contains("other encoder: open_clip:").all()
    with_value = {
        (claim.ours, dataset, test)
        for claim in published_claims()
        for dataset in claim.trains
        for test in claim.test_set.datasets
        if claim.paper in set(frame["paper"])
    }
    for cell in cells.itertuples():
        method, train = cell.method.split()[0], cell.train if cell.train != "no training" else cell.test
        if (method, train, cell.test) in with_value:
            rows = frame[
                (frame["method"] == cell.method) & (frame["train"] == cell.train) & (frame["test"] == cell.test)
            ]
            assert len(rows), cell
