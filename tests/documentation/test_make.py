"""What the Makefile may remove."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from documented import ROOT


def test_make_clean_leaves_datasets_of_ones_own(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (
        "data/raf-db",
        "data/sample-a",
        "data/drawn/sample-a",
        "tables",
        "faces",
        "features",
        "runs",
        "reports",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "AffectNet.zip").write_bytes(b"licensed")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["Makefile", "data", "data/AffectNet.zip", "data/raf-db", "data/sample-a"]
