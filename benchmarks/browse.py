"""The page of `fer-stage browse` with 300,000 units and a head's predictions: seconds and memory until it can be used.

Served by a process of its own, as the command does; where Chromium is installed, opened in it, too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from machine import show
from random_store import make_store

ROOT = Path(__file__).parents[1]
WIDTH = 512
_READY = """new Promise((done) => {
  const look = () => (document.body.dataset.ready === "yes" ? done() : setTimeout(look, 20));
  look();
})"""
_TIMED = "(() => { const start = performance.now(); %s; return (performance.now() - start) / 1000; })()"
# Of the browser: what somebody does after the page is there.
_ACTIONS = {
    "draw_s": "drawPoints()",
    "hover_s": "unitAt(300, 200)",
    "filter_s": "document.getElementById('result').value = 'wrong'; refresh()",
    "color_s": "document.getElementById('color').value = 'result'; drawPoints()",
}


def serve(folder: str) -> None:
    """Make the page of the store in a folder, with random predictions of one head, and serve it until stdin ends."""
    from pipeline.browse.units import Predicted
    from stages.requests import BrowseRequest
    from stages.workflows.browse import browse
    from stages.workflows.browse_page import BrowsePage
    from stages.workflows.browse_server import serving

    start, cpu = time.perf_counter(), time.process_time()
    result = browse(
        BrowseRequest([Path(folder, "features/random/benchmark.zarr")], split="train"), lambda progress: None
    )
    units, rng = result.maps[0], np.random.default_rng(0)
    n, classes = len(units), units.labels
    prediction = np.where(rng.random(n) < 0.6, units.label, rng.integers(0, len(classes), n)).astype(np.uint8)
    run = Predicted("head", 0, classes, np.ones(n, np.uint8), prediction, rng.random(n, np.float32))
    browsed = result.start.args[0].maps  # type: ignore[attr-defined]  # of the partial that serves the page
    page = BrowsePage(browsed, (run,), True, "")
    made = {"make_s": time.perf_counter() - start, "make_cpu_s": time.process_time() - cpu, "units": n}
    with serving(page) as address:
        print(json.dumps({"address": address, "made": made, "peak_mb": _peak_mb()}), flush=True)
        sys.stdin.readline()
        cpu = time.process_time() - cpu - made["make_cpu_s"]
        print(json.dumps({"peak_with_neighbors_mb": _peak_mb(), "answers_cpu_s": cpu}), flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _seconds(url: str) -> tuple[float, int]:
    start = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        size = len(answer.read())
    return time.perf_counter() - start, size


def requests(address: str) -> dict[str, Any]:
    """Seconds and bytes of what the page reads."""
    names = {
        "map": "data/map-0.js",
        "run": "data/run-0.js",
        "where": "where?map=0&run=0&q=label%20%3D%3D%20%27fear%27%20and%20correct%20%3D%3D%200",
        "texts": "data/rows-0-7.js",
        "first_neighbors": "data/near-0-7.js",
        "neighbors": "data/near-0-8.js",
    }
    found = {name: _seconds(address + path) for name, path in names.items()}
    return {f"{name}_s": round(s, 3) for name, (s, _) in found.items()} | {
        "page_mb": round(sum(found[name][1] for name in ("map", "run")) / 1e6, 1)
    }


def in_browser(address: str, profile: Path) -> dict[str, Any]:
    """Seconds until the page can be used, and of what is done then; memory of its script."""
    sys.path.insert(0, str(ROOT / "tests" / "stages"))
    from headless_browser import Browser, find_chromium

    if (program := find_chromium()) is None:
        return {"browser": "not installed"}
    with Browser.started(program, profile) as browser:
        start = time.perf_counter()
        browser.open(address)
        browser.run(_READY)
        found: dict[str, Any] = {"usable_s": round(time.perf_counter() - start, 2)}
        found |= {name: round(browser.run(_TIMED % action), 3) for name, action in _ACTIONS.items()}
        return found | {"script_mb": round(browser.run("performance.memory.usedJSHeapSize") / 1e6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=300_000)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder, "features/random/benchmark.zarr"), options.units * 5 // 3, WIDTH)  # 3/5 are train
        program = [sys.executable, __file__, "--serve", folder]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            started = json.loads(server.stdout.readline())
            found = {"browser": in_browser(started["address"], Path(folder, "profile"))}
            found |= {"requests": requests(started["address"])}
            server.stdin.write("\n")
            server.stdin.flush()
            started |= json.loads(server.stdout.readline())
    made = {name: round(value, 2) for name, value in started.pop("made").items()}
    made["answers_cpu_s"] = round(started["answers_cpu_s"], 2)
    memory = {name: round(value) for name, value in started.items() if name.endswith("_mb")}
    show({"what": f"browse, {options.units} units x {WIDTH} float16", **made, **memory, **found})


if __name__ == "__main__":
    main()
