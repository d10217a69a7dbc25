"""The command lines of the code fences of README and docs, and small data instead of what they name."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from shards import CSV_ORDER, IMAGE, class_label, image_column, parquet, rows_table, tar

from pipeline.datasets.drawn import draw_face, sample_specs

__all__ = [
    "NOT_RUN",
    "PAGES",
    "ROOT",
    "command_lines",
    "environment",
    "inline_commands",
    "put_datasets",
    "python_files",
    "reason",
    "substituted",
    "with_substitutes",
]

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").rglob("README.md")),
    )
)

# What a page names that no test may download or own -> what a test has instead.
_SUBSTITUTES = {
    "open_clip:ViT-B-32-quickgelu/openai": "untrained",
    "open_clip:ViT-B-16-quickgelu/openai": "untrained",
    "open_clip-ViT-B-32-quickgelu-openai": "untrained",  # the folder of the first
    "ENCODER": "untrained",
    "transformers:blip/Salesforce/blip-itm-base-coco": "mini",
    "block-10": "block-2",  # `untrained` has four blocks
    "/data/AffectNet.zip": "data/affectnet.zip",
    "/data/fer2013.tar.gz": "data/fer2013.tar.gz",
    "s3://our-bucket/dvc": "../remote",
}

# A command line -> why no test runs it as it is printed. The first words are enough.
NOT_RUN = {
    "make repro": "installs everything first; test_dvc_graph runs its graph with fewer images",
    "make test": "is this suite",
    "cp mini/* ../../pipeline/encoders/mini": "ships another encoder",
    "cp default_head/* ../../pipeline/predict/default_head": "ships another head",
    "fer-stage align --dataset ferplus": "the recipe of the default head, on its real packs",
    "fer-stage extract --dataset ferplus --encoder mini --faces aligned": "the recipe of the default head",
}
# The same, of one page only.
NOT_RUN_ON_PAGE = {
    ("docs/browse.md", "fer-stage browse runs"): "serves until Ctrl-C: test_browse_command",
    ("docs/browse.md", "fer-stage browse features/clip/affectnet.zarr --split train"): "serves until Ctrl-C, too",
    ("examples/embedded-encoder/README.md", "dvc repro"): "trains mini, from weights that are no part of the package",
    ("examples/faces/README.md", "dvc repro"): "the graph of dvc.yaml, by a link: test_dvc_graph; needs the real packs",
    ("examples/video/README.md", "dvc repro"): "the graph of dvc.yaml, by a link: test_video_example, in a small form",
    ("examples/methods/README.md", "dvc repro"): "the graph of dvc.yaml, by a link; its methods: test_every_method",
}
_PROGRAMS = ("fer-stage", "dvc", "git", "make", "cp", "python", "pip")


def command_lines(page: str) -> Iterator[str]:
    """Every command of a page's fences, in order, without its comment; `a && b` gives two."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE):
        if language not in ("", "bash", "sh", "console"):
            continue
        for line in body.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and words[0] in _PROGRAMS:
                    yield shlex.join(words)


def python_files(page: str) -> dict[str, str]:
    """The Python files of a page, name -> source: those that a line before their fence names first."""
    text = (ROOT / page).read_text()
    return dict(re.findall(r"^`(\w+\.py)`[^\n]*\n\n```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def inline_commands(page: str) -> list[str]:
    """Commands in the running text of a page, outside of its fences."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(found.split()) for found in re.findall(r"`((?:fer-stage|dvc) [^`]+)`", text)]


def reason(page: str, line: str) -> str:
    """Why a command line is not run; empty if it is."""
    reasons = [why for start, why in NOT_RUN.items() if line.replace("'", "").startswith(start)]
    return next(iter(reasons), NOT_RUN_ON_PAGE.get((page, line), ""))


def with_substitutes(text: str) -> str:
    """A text of a page, with what a test has instead of what it has not."""
    for name, substitute in _SUBSTITUTES.items():
        text = text.replace(name, substitute)
    return text


def substituted(line: str) -> list[str]:
    """The words of a command line, with substitutes."""
    return shlex.split(with_substitutes(line))


def environment() -> dict[str, str]:
    """For commands in a project of a test: the programs beside this Python first, and a name for git's commits."""
    who = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return os.environ | who | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


_N = 70
_CODES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")  # of AffectNet
_RAF_DB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
_FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def _faces(style: str) -> Iterator[tuple[int, str, str, bytes]]:
    """Number, expression, split and JPEG of drawn people, other ones for every style."""
    for i, spec in enumerate(sample_specs(style, _N, 3)):
        out = io.BytesIO()
        Image.fromarray(draw_face(spec, style)).save(out, "JPEG")
        yield i, _RAF_DB[i % 7], ("train", "train", "train", "val", "test")[i % 5], out.getvalue()


def _affectnet() -> dict[str, bytes]:
    files = {}
    for i, label, split, data in _faces("sample-a"):
        files[f"{'val' if split == 'test' else 'train'}/{_CODES.index(label)}/{i}.jpg"] = data
    return files


def _raf_db() -> dict[str, bytes]:
    files, lines = {}, []
    for i, label, split, data in _faces("sample-b"):
        stem = f"{'test' if split == 'test' else 'train'}_{i:05d}"
        files[f"basic/Image/aligned/{stem}_aligned.jpg"] = data
        lines.append(f"{stem}.jpg {_RAF_DB.index(label) + 1}\n")
    return files | {"basic/EmoLabel/list_patition_label.txt": "".join(lines).encode()}


def _dfew() -> dict[str, bytes]:
    """Clips of two frames, in one fold."""
    codes = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")  # from 1
    files: dict[str, bytes] = {}
    lists = {"train": "video_name,label\n", "test": "video_name,label\n"}
    for i, label, _split, data in _faces("sample-e"):
        clip = i % (_N // 2)  # two people of one expression
        files[f"DFEW/Clip/clip_224x224/{clip:05d}/{1 + i // (_N // 2)}.jpg"] = data
        if i == clip:
            lists["test" if i % 5 == 4 else "train"] += f"{clip},{1 + codes.index(label)}\n"
    named = {f"DFEW/EmoLabel_DataSplit/{name}(single-labeled)/set_1.csv": text for name, text in lists.items()}
    return files | {name: text.encode() for name, text in named.items()}


def _ferplus() -> dict[str, bytes]:
    folders = {"train": ("Training", "Train"), "val": ("PublicTest", "Valid"), "test": ("PrivateTest", "Test")}
    files, lines = {}, [f"Usage,Image name,{','.join(_FERPLUS)}\n"]
    for i, label, split, data in _faces("sample-d"):
        usage, folder = folders[split]
        png = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("L").resize((48, 48)).save(png, "PNG")
        files[f"data/FER2013{folder}/fer{i:07d}.png"] = png.getvalue()
        votes = ",".join("10" if name == label else "0" for name in _FERPLUS)
        lines.append(f"{usage},fer{i:07d}.png,{votes}\n")
    return files | {"fer2013new.csv": "".join(lines).encode()}


def _copies() -> dict[str, bytes]:
    """Copies of the hub and tar shards, of two pictures for each label."""
    pictures = [data for _, _, _, data in _faces("sample-d")][:14]
    codes = [i % 7 for i in range(14)]
    images, features = image_column(pictures), {"image": IMAGE, "label": class_label(CSV_ORDER)}
    named = parquet(rows_table({"image": images, "label": codes}, features))
    numbered = parquet(rows_table({"image": images, "label": [code + 1 for code in codes]}))
    jpg = {f"{i}.jpg": data for i, data in enumerate(pictures)}
    numbers = {f"{i}.cls": str(code).encode() for i, code in enumerate(codes)}
    texts = {f"{i}.json": f'{{"emotion": "{CSV_ORDER[code]}"}}'.encode() for i, code in enumerate(codes)}
    return {
        **{f"fer2013/data/{split}-00000-of-00001.parquet": named for split in ("train", "test")},
        "fer2013test/data/train-00000-of-00001.parquet": named,
        "raf-db-tcc/data/train-00000-of-00001.parquet": numbered,
        **{f"wds_fer2013/{split}/0.tar": tar(jpg | numbers) for split in ("train", "test")},
        "wds_fer2013/classnames.txt": "\n".join(CSV_ORDER).encode(),
        "shards/train-000000.tar": tar(jpg | texts),
    }


def _muxspace() -> dict[str, bytes]:
    files, lines = {}, ["user.id,image,emotion\n"]
    for i, label, _split, data in _faces("sample-c"):
        files[f"images/Person_{chr(97 + i % 26)}{i}_0001.jpg"] = data
        lines.append(f"1,Person_{chr(97 + i % 26)}{i}_0001.jpg,{label}\n")
    return files | {"data/legend.csv": "".join(lines).encode()}


def put_datasets(data: Path) -> None:
    """Small datasets in the layouts of the public ones, below the folder `data`, as in README."""
    data.mkdir(parents=True)
    with zipfile.ZipFile(data / "affectnet.zip", "w") as archive:
        for name, content in _affectnet().items():
            archive.writestr(name, content)
    for archive_name, files in (("fer2013", _ferplus()), ("muxspace", _muxspace())):
        with tarfile.open(data / f"{archive_name}.tar.gz", "w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    for dataset, files in (("raf-db", _raf_db()), ("dfew", _dfew())):
        for name, content in files.items():
            path = data / dataset / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for name, content in _copies().items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
