"""A folder in which one file kills its reader. A module of its own, because worker processes must import it."""

from __future__ import annotations

import os
import signal

from pipeline.datasets.roots import FolderRoot

__all__ = ["DEADLY", "DeadlyRoot"]

DEADLY = "deadly.png"


class DeadlyRoot(FolderRoot):
    """Reading `DEADLY` ends the process at once, as the kernel does when memory runs out."""

    def read(self, name: str) -> bytes:
        if name == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(name)
