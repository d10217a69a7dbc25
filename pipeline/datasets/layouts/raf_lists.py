"""What the lists of the RAF family share: lines such as `train_00001.jpg 5`, splits by name, folders of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.datasets.roots.files import Lookup, Root, some
from pipeline.errors import DatasetError

__all__ = [
    "LIST",
    "aligned_picture",
    "codes_by_stem",
    "read_pairs",
    "require_order",
    "split_of",
    "stem_of",
    "words_of_lines",
]

LIST = "EmoLabel/list_patition_label.txt"  # the spelling is the authors' own
_SUFFIX = "_aligned"


def words_of_lines(root: Root, name: str) -> list[list[str]]:
    """The words of each line of a list that is not empty."""
    return [line.split() for line in root.text(name).split("\n") if line.strip()]


def read_pairs(root: Root, name: str, *, example: str = "train_00001.jpg 5", splits: bool = True) -> list[list[str]]:
    """Image and code of each line of a list that is not empty.

    Parameters
    ----------
    example : a line, for messages
    splits : whether images must be named `train_*` or `test_*`

    Raises
    ------
    DatasetError
        Naming lines of another form.
    """
    pairs = words_of_lines(root, name)
    if bad := [" ".join(pair) for pair in pairs if len(pair) != 2 or (splits and split_of(pair[0]) is None)]:
        raise DatasetError(
            f"{root.path}: {name}: expected lines such as '{example}', found {len(bad)} others: {some(bad)}"
        )
    return pairs


def codes_by_stem(pairs: Iterable[Sequence[str]], where: str) -> dict[str, str]:
    """Stem of each image of a list of partitions -> its code.

    Raises
    ------
    DatasetError
        If an image has two codes.
    """
    named = [(stem_of(image), code) for image, code in pairs]
    codes = dict(named)
    if twice := [f"{stem} {code}" for stem, code in named if codes[stem] != code]:
        raise DatasetError(
            f"{where}: expected one partition per image, found another one in {len(twice)} lines: {some(twice)}. "
            "Correct the list"
        )
    return codes


def stem_of(image: str) -> str:
    """`train_00001` of `train_00001.jpg`, `train_00001_aligned.jpg` and `train_00001`: what a sample is called."""
    return (image.rpartition(".")[0] or image).removesuffix(_SUFFIX)


def split_of(image: str) -> str | None:
    """The split that the name of an image states; None if it states none."""
    return {"train_": "train", "test_": "test"}.get(image[: image.find("_") + 1])


def aligned_picture(root: Root, lookup: Lookup, folder: str, stem: str) -> str:
    """The aligned picture of a stem: `STEM_aligned.jpg`, or `STEM.jpg` where there is no such file."""
    path = lookup(f"{folder}{stem}{_SUFFIX}.jpg")
    plain = lookup(f"{folder}{stem}.jpg")
    return plain if not root.exists(path) and root.exists(plain) else path


def require_order(labels: Iterable[str], published: Mapping[str, int], where: str) -> None:
    """Refuse a complete list whose classes have each other's numbers of images: its codes mean something else.

    Parameters
    ----------
    labels : of the train split
    published : label -> images of the complete train split

    Raises
    ------
    DatasetError
        Naming the classes that have the number of another one.
    """
    counts = Counter(labels)
    if sorted(counts.values()) != sorted(published.values()) or counts == published:
        return
    of_number = {number: label for label, number in published.items()}
    wrong = [f"{label} {n:,}, which is {of_number[n]}" for label, n in counts.items() if n != published.get(label)]
    raise DatasetError(
        f"{where}: expected the published numbers of train images ({_counts(published)}), found the same numbers for "
        f"other classes: {some(wrong, len(published))}. The codes of this list are in another order: write them in "
        "the order of the dataset, or use the official list"
    )


def _counts(published: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {n:,}" for label, n in published.items())
