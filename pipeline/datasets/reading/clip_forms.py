"""Forms of a dataset's clips: the same ones as frames of several sizes, and as videos. One form is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.datasets.reading.clips import ClipFiles
from pipeline.datasets.roots.files import Root, composed, some
from pipeline.errors import DatasetError
from pipeline.video.formats import is_video

__all__ = ["AUTO", "Form", "choose_form", "find_forms"]

AUTO = "auto"

# Folder of frames or video file, its video's suffix left out -> (folder of the form, name of the clip) or None.
Place = Callable[[str], tuple[str, str] | None]


@dataclass(frozen=True)
class Form:
    """One form of the clips.

    Parameters
    ----------
    folder : that all of them are in, below the root; empty for the root itself
    clips : name of the clip -> its folder of frames or its video file
    """

    folder: str
    clips: Mapping[str, str]

    @property
    def name(self) -> str:
        """The last part of its folder, which the option names it by."""
        return PurePosixPath(self.folder).name

    def path(self, clip: str) -> str:
        """Where the clip is, or would be."""
        return self.clips.get(clip) or f"{self.folder}/{clip}".removeprefix("/")


def find_forms(root: Root, place: Place) -> list[Form]:
    """All forms of the clips that `place` knows, in the order of their folders.

    Raises
    ------
    DatasetError
        If a clip is twice in one form.
    """
    files = ClipFiles(root)
    forms: dict[str, dict[str, str]] = {}
    for path in [*files.folders, *files.videos]:
        found = place(composed(str(PurePosixPath(path).with_suffix("")) if is_video(path) else path))
        if found is None:
            continue
        folder, clip = found
        first = forms.setdefault(folder, {}).setdefault(clip, path)
        if first != path:
            raise DatasetError(
                f"{root.path}: expected clip {clip} once in {folder or 'the root'}, found {some([first, path])}. "
                "Remove one of them"
            )
    return [Form(folder, clips) for folder, clips in sorted(forms.items())]


def choose_form(root: Root, forms: Sequence[Form], requested: str, preferred: Sequence[str]) -> tuple[Form, str]:
    """The form to read, and a note if there are others.

    Parameters
    ----------
    forms : at least one
    requested : name of its folder, or its last parts; `AUTO` takes the only one, or the first of `preferred`
    preferred : names of folders, in any case

    Raises
    ------
    DatasetError
        If no form, or several, have the requested name, or none of several is preferred.
    """
    found = ", ".join(f"{form.folder or 'the root'} ({len(form.clips):,} clips)" for form in forms)
    names = preferred if requested == AUTO else [requested]
    matches: list[Form] = []
    for name in names:
        matches = matches or [form for form in forms if _ends_with(form.folder, name)]
    if requested == AUTO and not matches:
        matches = list(forms)
    if len(matches) != 1:
        what = "the clips in one form" if requested == AUTO else f"one folder {requested} of clips"
        raise DatasetError(
            f"{root.path}: expected {what}, found {found}. Name the folder to read by the option frames, such as "
            f"frames={(matches or forms)[0].folder}"
        )
    others = [form.folder for form in forms if form is not matches[0]]
    note = f"clips are read from {matches[0].folder}; other forms are not read: {some(others)}" if others else ""
    return matches[0], note


def _ends_with(folder: str, name: str) -> bool:
    return f"/{folder.casefold()}".endswith(f"/{name.strip('/').casefold()}")
