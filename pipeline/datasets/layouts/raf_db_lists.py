"""The lists in which copies of RAF-DB name their pictures, labels and splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.datasets.layouts.raf_lists import LIST, read_pairs, split_of, stem_of, words_of_lines
from pipeline.datasets.roots.files import Lookup, Root, escapes, some
from pipeline.errors import DatasetError

__all__ = ["RafList", "find_list", "noisy_codes"]

_TWO_LISTS = ("EmoLabel/train.txt", "EmoLabel/test.txt")
_CUB = ("images.txt", "image_class_labels.txt", "train_test_split.txt")
_CUB_SPLITS = {"1": "train", "0": "test"}


@dataclass(frozen=True)
class RafList:
    """What a list has: images, codes and splits in its order.

    Parameters
    ----------
    name, where : the file, and the same with its root, for messages
    release : which form of the dataset it is
    base : the folder that all is below, with a slash at its end unless it is empty
    images, codes, splits : of each line
    in_image : whether the folders of pictures are below `Image/`
    paths : of the pictures, where the list itself has them
    """

    name: str
    where: str
    release: str
    base: str
    images: Sequence[str]
    codes: Sequence[str]
    splits: Sequence[str]
    in_image: bool = True
    paths: Sequence[str] = ()

    def folder(self, images: str) -> str:
        """The folder of some pictures (aligned, aligned_224, original), with a slash at its end."""
        return f"{self.base}{'Image/' if self.in_image else ''}{images}/"


def find_list(root: Root) -> RafList | None:
    """The list of a root, in the first of these forms that it has:

    - `EmoLabel/list_patition_label.txt` (official), pictures in `Image/`;
    - `annotation/list_patition_label.txt`, pictures in `aligned/`;
    - `EmoLabel/train.txt` and `test.txt` of lines as in the official list, pictures in `Image/`;
    - `images.txt`, `image_class_labels.txt` and `train_test_split.txt`, which number pictures as CUB-200 does.

    A root with `basic/` and `compound/` is read below `basic/`.

    Raises
    ------
    DatasetError
        If it is of the compound set, or lines have another form.
    """
    forms = ((LIST, "official", True), ("annotation/list_patition_label.txt", "aligned and annotation", False))
    for tail, release, in_image in forms:
        if name := _basic(root, tail):
            pairs = read_pairs(root, name)
            return _of_pairs(root, name, name[: -len(tail)], release, pairs, in_image=in_image)
    if name := _basic(root, _TWO_LISTS[0]):
        return _two_lists(root, name)
    return _cub_lists(root)


def noisy_codes(root: Root, tail: str, train: Sequence[str]) -> dict[str, str]:
    """Stem -> code of a list that replaces the labels of `train`.

    Raises
    ------
    DatasetError
        If there is no such list, or it holds images that are not among `train`, or one with two codes.
    """
    name = root.find(tail)
    if name is None:
        raise DatasetError(f"{root.path}: expected the list {tail} of the option labels, found none. Copy it there")
    pairs = [(stem_of(image), code) for image, code in read_pairs(root, name)]
    known, codes = set(train), dict(pairs)
    if strange := [stem for stem, _ in pairs if stem not in known]:
        raise DatasetError(
            f"{root.path}: {name}: expected train images of the official list alone, as test labels stay clean, found "
            f"{len(strange)} others: {some(strange)}"
        )
    if twice := [stem for stem, code in pairs if codes[stem] != code]:
        raise DatasetError(f"{root.path}: {name}: expected one label per image, found two for {some(twice)}")
    return codes


def _basic(root: Root, tail: str) -> str | None:
    # A whole RAF-DB holds basic/ and compound/; asking for basic/ first makes one of two.
    name = root.find(f"basic/{tail}") or root.find(tail)
    if name and "compound" in name.casefold().split("/"):
        raise DatasetError(
            f"{root.path}: expected the basic set of RAF-DB, found the compound one ({name}), whose eleven labels are "
            "no basic expressions. Point the root at basic/, or read the compound set by the layout raf-db-compound"
        )
    return name


def _of_pairs(
    root: Root, name: str, base: str, release: str, pairs: Sequence[Sequence[str]], *, in_image: bool = True
) -> RafList:
    return RafList(
        name=name,
        where=f"{root.path}: {name}",
        release=release,
        base=base,
        images=[image for image, _ in pairs],
        codes=[code for _, code in pairs],
        splits=[split_of(image) or "" for image, _ in pairs],
        in_image=in_image,
    )


def _two_lists(root: Root, train: str) -> RafList:
    base = train[: -len(_TWO_LISTS[0])]
    test = root.find(f"{base}{_TWO_LISTS[1]}")
    if test is None:
        raise DatasetError(f"{root.path}: expected {' and '.join(_TWO_LISTS)}, found the first only ({train})")
    pairs = []
    for name, split in ((train, "train"), (test, "test")):
        of_split = read_pairs(root, name)
        if others := [image for image, _ in of_split if split_of(image) != split]:
            raise DatasetError(
                f"{root.path}: {name}: expected images {split}_*, found {len(others)} others: {some(others)}"
            )
        pairs += of_split
    return _of_pairs(root, train, base, "train.txt and test.txt", pairs)


def _cub_lists(root: Root) -> RafList | None:
    names = [root.find(tail) for tail in _CUB]
    if not all(names):
        return None
    paths, codes, flags = (_numbered(root, name) for name in names if name)
    if not paths.keys() == codes.keys() == flags.keys():
        counts = ", ".join(f"{name} {len(of)}" for name, of in zip(names, (paths, codes, flags), strict=True))
        raise DatasetError(f"{root.path}: expected the same numbers of images in {', '.join(_CUB)}, found {counts}")
    if bad := [path for path in paths.values() if escapes(path)]:
        raise DatasetError(f"{root.path}: {names[0]}: expected paths inside the root, found {some(bad)}")
    images = [path.rpartition("/")[2] for path in paths.values()]
    splits = [_CUB_SPLITS.get(flags[number], "") for number in paths]
    if bad := [image for image, split in zip(images, splits, strict=True) if split_of(image) != split]:
        raise DatasetError(
            f"{root.path}: {names[2]}: expected 1 for images train_* and 0 for test_*, found {len(bad)} others: "
            f"{some(bad)}"
        )
    name = names[0] or ""
    base, lookup = name.rpartition("/")[0], Lookup(root.names())
    return RafList(
        name=name,
        where=f"{root.path}: {names[1]}",
        release="images.txt, numbered as in CUB-200",
        base=f"{base}/" if base else "",
        images=images,
        codes=[codes[number] for number in paths],
        splits=splits,
        paths=[_listed_picture(root, lookup, f"{base}/" if base else "", path) for path in paths.values()],
    )


def _numbered(root: Root, name: str) -> dict[str, str]:
    """Number -> what follows it in each line."""
    lines = words_of_lines(root, name)
    if bad := [" ".join(line) for line in lines if len(line) != 2 or not line[0].isdigit()]:
        raise DatasetError(
            f"{root.path}: {name}: expected lines of a number and one word, such as '1 train_00001.jpg', found "
            f"{len(bad)} others: {some(bad)}"
        )
    numbered = dict(lines)
    if len(numbered) < len(lines):
        raise DatasetError(f"{root.path}: {name}: expected every number once, found {len(lines) - len(numbered)} again")
    return numbered


def _listed_picture(root: Root, lookup: Lookup, base: str, path: str) -> str:
    """The picture of a path in `images.txt`: below `images/`, as CUB-200 has it, or beside the list."""
    candidates = [lookup(f"{base}images/{path}"), lookup(f"{base}{path}")]
    return next(filter(root.exists, candidates), candidates[0])
