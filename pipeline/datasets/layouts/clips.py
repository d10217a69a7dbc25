"""`clips`: videos or folders of frames of any dataset, by lists, a table, or class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from pydantic import Field

from pipeline.datasets.layouts.listed_clips import ClipLine, Listed, read_lists
from pipeline.datasets.layouts.path_lists import PathListsOptions
from pipeline.datasets.reading.ambiguous import refuse_numbers
from pipeline.datasets.reading.base import Scan, not_this_layout
from pipeline.datasets.reading.class_folders import class_rows, other_files
from pipeline.datasets.reading.clip_lists import conflict_notes, refuse_two_splits
from pipeline.datasets.reading.clips import ClipFiles, ClipOptions, assemble_clips, number_key
from pipeline.datasets.reading.named_clips import clip_name
from pipeline.datasets.reading.rows import CONFLICT, REPEATED, Row, merge_repeats, spelled_once, splits_of, translate
from pipeline.datasets.roots.files import Root, some
from pipeline.errors import AmbiguousLabelsError, DatasetError, LabelError
from pipeline.images.formats import is_image
from pipeline.tables.labels import canonical
from pipeline.tables.sample import Sample

__all__ = ["Clips", "ClipsOptions"]

_OF_CLIP = ("subject", "scene", "fold")  # columns that are the same on all rows of a clip


class ClipsOptions(PathListsOptions, ClipOptions):
    prefix: str = Field(
        "", description="what the paths of lists begin with on another machine, as /data/DFEW: it is left out"
    )


class Clips:
    """Clips of a dataset without a layout of its own. A clip is a video file (.mp4 .avi .mkv .webm .mov .flv ...) or a
    folder with its frames directly in it, which are ordered by their numbers.

    **Lists** `train`, `val` (`valid`, `validation`) and `test`, or one `list`, `labels` or `clips`, each `.txt`, `.csv`
    or `.tsv`: lines `path label` or `path num_frames label` with spaces, tabs or commas between, where the label is
    what follows the last separator, so that paths may have spaces in them. Frames are counted on disk, and stated
    numbers that differ are reported. Paths are relative to the list or to a folder above it; a video's suffix may be
    missing, or be there where the clip is a folder of frames.

    **Tables** are lists with a header: `path,label` and, where known, `split`, `subject`, `fold`, `scene`, `clip` (the
    clip's name, by default its path), `id`, `num_frames`, in any order, with other names as the layout `csv` has them.

    **Tables of frames** name images as `path`, and need `clip`: rows with one `clip` are the frames of a clip, ordered
    by the column `frame`, or by the numbers in their names.

    **Class folders**, where there is no list: `[split/]happy/clip01.mp4`, or `happy/clip01/0001.jpg`.

    Labels are names, or numbers with the option `codes`. A clip that is in two splits is an error, and one with two
    labels a rejected row.
    """

    name = "clips"
    summary = (
        "videos or folders of frames: lists `path label` or `path num_frames label`, a table path,label[,split,subject,"
        "fold,scene,clip,frame], or class folders"
    )
    Options = ClipsOptions

    def scan(self, root: Root, options: ClipsOptions) -> Scan:
        try:
            return self._scan(root, options)
        except AmbiguousLabelsError as error:  # its examples are clips: images show them
            files = ClipFiles(root)
            examples = {
                number: [path if is_image(path) else files.example(path) for path in paths]
                for number, paths in error.examples.items()
            }
            raise AmbiguousLabelsError(str(error), error.presets, examples) from error

    def _scan(self, root: Root, options: ClipsOptions) -> Scan:
        listed = read_lists(root, options, options.prefix)
        if listed is None:
            return _class_folders(root, options, self)
        are_images = {is_image(clip.path) for clip in listed.clips}
        if len(are_images) > 1:
            raise _mixed(root, listed)
        labels, splits = _labels(root, listed, options), _splits(root, listed)
        if are_images == {True}:
            return _clips_of_images(root, listed, labels, splits, options)
        return _listed_clips(root, listed, labels, splits, options)


def _mixed(root: Root, listed: Listed) -> DatasetError:
    images = [clip.path for clip in listed.clips if is_image(clip.path)]
    others = [clip.path for clip in listed.clips if not is_image(clip.path)]
    return DatasetError(
        f"{root.path}: expected lists of clips or of their images, found {len(images):,} images ({some(images, 1)}) "
        f"and {len(others):,} clips ({some(others, 1)}). Name the folder or the video of each clip"
    )


def _labels(root: Root, listed: Listed, options: ClipsOptions) -> list[str]:
    raw = [clip.line["label"] for clip in listed.clips]
    if options.code_map is None:
        refuse_numbers(raw, [clip.path for clip in listed.clips], str(root.path), noun=_noun(listed))
    labels: list[str] = []
    for split, name in listed.lists.items():
        of_list = [label for label, clip in zip(raw, listed.clips, strict=True) if clip.split == split]
        labels += translate(of_list, options.code_map, f"{root.path}: {name}")
    return labels


def _noun(listed: Listed) -> str:
    return "images" if is_image(listed.clips[0].path) else "clips"


def _splits(root: Root, listed: Listed) -> list[str]:
    """The split of each line: of its list, else of its column."""
    words = [clip.line.get("split") for clip in listed.clips]
    of_columns = splits_of(words, f"{root.path}: column split")
    return [clip.split or split for clip, split in zip(listed.clips, of_columns, strict=True)]


def _sample(clip: ClipLine, name: str, label: str, split: str) -> Sample:
    line = clip.line
    return Sample(
        name,
        clip.path,
        label,
        split,
        subject=line.get("subject") or None,
        clip=name,
        scene=line.get("scene") or None,
        fold=line.whole("fold") if line.get("fold") else None,
    )


def _listed_clips(
    root: Root, listed: Listed, labels: Sequence[str], splits: Sequence[str], options: ClipsOptions
) -> Scan:
    """Each line is a clip."""
    written = spelled_once([clip.line["path"] for clip in listed.clips], [clip.path for clip in listed.clips])
    names = [
        clip.line.get("clip") or clip.line.get("id") or path for clip, path in zip(listed.clips, written, strict=True)
    ]
    refuse_two_splits(root, _by_split(names, splits))
    _refuse_shared_names(root, names, [clip.path for clip in listed.clips])
    rows = [Row(_sample(*of_row)) for of_row in zip(listed.clips, names, labels, splits, strict=True)]
    stated = {
        name: clip.line.whole("n_frames")
        for name, clip in zip(names, listed.clips, strict=True)
        if clip.line.get("n_frames")
    }
    rows = merge_repeats(rows, options.names)
    scan = assemble_clips(rows, options, notes=tuple(conflict_notes(rows)), stated_frames=stated)
    unread = _unread(listed, ["frame", "id"] if any(clip.line.get("clip") for clip in listed.clips) else ["frame"])
    return replace(scan, unread_columns=unread)


def _unread(listed: Listed, unused: Sequence[str]) -> tuple[str, ...]:
    """Columns that are not read, and those of `unused` that the table has."""
    return (*listed.unread, *(name for name in unused if any(clip.line.get(name) for clip in listed.clips)))


def _by_split(names: Sequence[str], splits: Sequence[str]) -> dict[str, list[str]]:
    clips: dict[str, list[str]] = {}
    for name, split in zip(names, splits, strict=True):
        clips.setdefault(split, []).append(name)
    return clips


def _refuse_shared_names(root: Root, names: Sequence[str], paths: Sequence[str]) -> None:
    first: dict[str, str] = {}
    shared = {
        name: (other, path)
        for name, path in zip(names, paths, strict=True)
        if (other := first.setdefault(name, path)) != path
    }
    if shared:
        name, pair = next(iter(shared.items()))
        raise DatasetError(
            f"{root.path}: expected one video or folder for each clip, found several for {len(shared):,} names, first "
            f"{name[:80]!r}: {some(pair)}. Give each its own name; what several clips share is their `subject`"
        )


def _clips_of_images(
    root: Root, listed: Listed, labels: Sequence[str], splits: Sequence[str], options: ClipsOptions
) -> Scan:
    """Each line is an image, a frame of the clip that its column names."""
    groups: dict[str, list[int]] = {}
    for i, clip in enumerate(listed.clips):
        if not (name := clip.line.get("clip")):
            raise DatasetError(
                f"{clip.line.where}: expected a clip for every image, found none for {clip.path!r}. Add a column "
                "`clip` with its name, or read single images by the layout csv"
            )
        groups.setdefault(name, []).append(i)
    refuse_two_splits(root, _by_split([clip.line["clip"] for clip in listed.clips], splits))
    rows, images = [], {}
    for name, members in groups.items():
        first = members[0]
        stated = {(labels[i], splits[i], *map(listed.clips[i].line.get, _OF_CLIP)) for i in members}
        sample = _sample(listed.clips[first], name, labels[first], splits[first])
        rows.append(Row(replace(sample, reason=CONFLICT if len(stated) > 1 else "")))
        images[name] = _in_order([listed.clips[i] for i in members], name)
    repeats = len(listed.clips) - sum(map(len, images.values()))
    scan = assemble_clips(rows, options, notes=tuple(conflict_notes(rows)))
    scan = replace(scan, unread_columns=_unread(listed, ["id", "n_frames"]), clip_images=images)
    return replace(scan, excluded={**scan.excluded, REPEATED: repeats} if repeats else scan.excluded)


def _in_order(clips: Sequence[ClipLine], name: str) -> list[str]:
    """The images of a clip by the column `frame`, or by the numbers in their names, each once."""
    numbered = {clip.path: clip.line.whole("frame") for clip in clips if clip.line.get("frame")}
    paths = list(dict.fromkeys(clip.path for clip in clips))
    where = clips[0].line.where
    if not numbered:
        _refuse_equal(Counter(map(number_key, paths)).values(), f"{where}: clip {name!r}", "numbers in the names")
        return sorted(paths, key=number_key)
    if len(numbered) < len(paths):
        raise DatasetError(
            f"{where}: clip {name!r}: expected a number in `frame` on every row, found {len(numbered)} of "
            f"{len(paths)}. Fill in all, or none"
        )
    _refuse_equal(Counter(numbered.values()).values(), f"{where}: clip {name!r}", "numbers in the column frame")
    return sorted(paths, key=numbered.__getitem__)


def _refuse_equal(counts: Collection[int], where: str, what: str) -> None:
    if (most := max(counts)) > 1:
        raise DatasetError(
            f"{where}: expected different {what}, found {most} images with one. Number the images of each clip"
        )


def _class_folders(root: Root, options: ClipsOptions, layout: Clips) -> Scan:
    """Each video or folder of frames in a class folder is a clip."""
    files = ClipFiles(root)
    _refuse_flat(root, files)
    clips = [*files.folders, *files.videos]
    if not clips:
        raise not_this_layout(root, layout)
    rows = class_rows(root, options.code_map, has_codes=True, files=clips)
    if all(row.excluded for row in rows):
        raise _unlabelled(root, clips)
    _refuse_twice(root, [row.sample.path for row in rows if not row.excluded])
    rows = [replace(row, sample=replace(row.sample, clip=row.sample.id)) for row in rows]
    return replace(assemble_clips(rows, options), unread_files=other_files(root, files.videos))


def _unlabelled(root: Root, clips: Sequence[str]) -> DatasetError:
    return DatasetError(
        f"{root.path}: expected labels of the clips, by a list beside them (train.txt, list.csv, ...: path,label) or "
        f"by class folders (happy/clip01.mp4), found {len(clips):,} clips without ({some(clips, 1)}). Write such a "
        "list. Expressions of videos without labels are what predict gives"
    )


def _refuse_flat(root: Root, files: ClipFiles) -> None:
    """Class folders with images directly in them are a dataset of images."""
    flat = [folder for folder in files.folders if _is_label(folder.rpartition("/")[2])]
    if flat:
        raise DatasetError(
            f"{root.path}: expected videos or folders of frames in class folders (happy/clip01/0001.jpg), found images "
            f"directly in {some([folder + '/' for folder in flat])}. The layout folder reads single images; the frames "
            "of clips need a folder for each clip, or a table with a column `clip`"
        )


def _is_label(name: str) -> bool:
    try:
        canonical(name)
    except LabelError:
        return False
    return True


def _refuse_twice(root: Root, paths: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for path in paths:
        if (other := first.setdefault(clip_name(path).casefold(), path)) != path:
            raise DatasetError(
                f"{root.path}: expected every clip once, found {some([other, path])}. Remove the videos or the folders "
                "of frames, or name those that are meant in a list"
            )
