"""`fer-stage extract` against clip-retrieval and CLIP_benchmark: the same pictures, model and weights, whole commands.

ViT-B-32-quickgelu of open_clip with random weights, from a file, so that nothing is downloaded. Each program loads the
model, encodes every picture once on the CPU in float32, batches of 64, and ends; fer-stage and clip-retrieval write the
features, CLIP_benchmark classifies zero-shot with them. The other two read with as many processes as there are cores.

Both are looked for beside `--python`, in an environment of their own with this project's open_clip and torch:
`pip install clip-retrieval==2.45.0 clip-benchmark==1.6.2 "numpy<2.4"`; with numpy 2.4 CLIP_benchmark ends in a
TypeError. One that is not there is left out.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from faces import write_faces
from machine import show
from timing import FER_STAGE

from pipeline.cores import n_cores

MODEL, BATCH, SIDE = "ViT-B-32-quickgelu", 64, 100
WEIGHTS = (
    "import open_clip, torch; torch.manual_seed(0); "
    f"torch.save(open_clip.create_model('{MODEL}', pretrained=None).state_dict(), 'weights.pt')"
)
PEERS = {
    "clip-retrieval": "import fire; from clip_retrieval.clip_inference.main import main; fire.Fire(main)",
    "CLIP_benchmark": "from clip_benchmark.cli import main; main()",
}


def commands(python: str, turn: int) -> dict[str, list[str]]:
    """The program of each name, in a folder with `faces`, `shards` and `weights.pt`; `turn` names its output."""
    cores = str(n_cores())
    ours = ["extract", "--dataset", "faces", "--layout", "folder", "--root", "faces", "--quiet"]
    ours += ["--encoder", f"open_clip:{MODEL}@weights.pt", "--outputs", "pooled", "--features", f"ours-{turn}"]
    retrieval = ["--input_dataset", "faces", "--output_folder", f"retrieval-{turn}", "--enable_text", "False"]
    retrieval += ["--clip_model", f"open_clip:{MODEL}/weights.pt", "--use_jit", "False"]
    retrieval += ["--batch_size", str(BATCH), "--num_prepro_workers", cores]
    benchmark = ["eval", "--dataset", "wds/faces", "--dataset_root", "shards", "--task", "zeroshot_classification"]
    benchmark += ["--model", MODEL, "--pretrained", "weights.pt", "--no_amp", "--batch_size", str(BATCH)]
    benchmark += ["--num_workers", cores, "--output", f"benchmark-{turn}.json"]
    return {
        "fer-stage": [sys.executable, "-c", FER_STAGE, *ours, "--batch-size", str(BATCH)],
        "clip-retrieval": [python, "-c", PEERS["clip-retrieval"], *retrieval],
        "CLIP_benchmark": [python, "-c", PEERS["CLIP_benchmark"], *benchmark],
    }


def write_shards(folder: Path, pictures: Sequence[Path]) -> None:
    """The pictures as CLIP_benchmark reads them: an archive for each reader, the names of the classes, and a prompt."""
    (folder / "test").mkdir(parents=True)
    n_shards = n_cores()
    for shard in range(n_shards):
        with tarfile.open(folder / "test" / f"{shard}.tar", "w") as archive:
            for number, path in enumerate(pictures[shard::n_shards]):
                label = str(int(path.parent.name == "fear")).encode()
                for suffix, data in (("jpg", path.read_bytes()), ("cls", label)):
                    member = tarfile.TarInfo(f"{shard}-{number:06d}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    (folder / "test" / "nshards.txt").write_text(str(n_shards))
    (folder / "classnames.txt").write_text("anger\nfear\n")
    (folder / "zeroshot_classification_templates.txt").write_text("a face of {c}\n")


def used_by(program: Sequence[str], folder: Path) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a program with its processes; the end of what it wrote is shown if it fails."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "disabled"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{program[2]}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures(used: Mapping[str, Sequence[tuple[float, float]]], n_images: int) -> dict[str, dict[str, float]]:
    """Images a second of each program, and by how much ours are more: of the medians of the turns."""
    wall, cpu = ({name: median(turn[i] for turn in turns) for name, turns in used.items()} for i in (0, 1))
    return {
        name: {
            "images_per_s": round(n_images / wall[name], 1),
            "cpu_s": round(cpu[name], 1),
            "ours_is_faster_by": round(wall[name] / wall["fer-stage"], 2),
            "ours_takes_less_cpu_by": round(cpu[name] / cpu["fer-stage"], 2),
        }
        for name in used
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of the environment that has the peers")
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    modules = {"clip-retrieval": "clip_retrieval", "CLIP_benchmark": "clip_benchmark"}
    missing = {
        name
        for name, module in modules.items()
        if subprocess.run([options.python, "-c", f"import {module}"], capture_output=True, check=False).returncode
    }
    used: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_faces(folder / "faces", options.images, options.images, SIDE)
        write_shards(folder / "shards", sorted((folder / "faces").rglob("*.jpg")))
        subprocess.run([sys.executable, "-c", WEIGHTS], cwd=folder, check=True)
        for turn in range(options.turns):
            for program, command in commands(options.python, turn).items():
                if program not in missing:
                    used.setdefault(program, []).append(used_by(command, folder))
                    print(json.dumps({program: used[program][-1]}), file=sys.stderr)
    what = f"{options.images} JPEGs of {SIDE} px, {MODEL} with random weights, whole commands, CPU"
    show({"what": what, "not_there": sorted(missing), **figures(used, options.images)})


if __name__ == "__main__":
    main()
