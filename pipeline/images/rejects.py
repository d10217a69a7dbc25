"""When to give up on images that all fail for one reason, instead of trying them to the last."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import DatasetError

__all__ = ["N_ALIKE", "AlikeRejects"]

N_ALIKE = 64  # images: a few neighbours may be damaged; so many of one kind, and no good one, have a common cause


@dataclass
class AlikeRejects:
    """Counts the first images of a piece of work. One thread at a time.

    Parameters
    ----------
    limit : images
    example, kind : of the first rejected one, and its reason up to the first colon: numbers may follow it
    n : images so far, all of them rejected for that reason
    is_over : whether an image was fine, or rejected for another reason; from then on nothing is counted

    Notes
    -----
    Only the beginning counts. Later images may fail in any number, and are counted by the caller.
    """

    limit: int = N_ALIKE
    example: str = ""
    kind: str = ""
    n: int = 0
    is_over: bool = False

    def add(self, name: str, reason: str) -> None:
        """Count an image, in the order of the work.

        Parameters
        ----------
        name : path of the image
        reason : why it is rejected; empty if it is fine

        Raises
        ------
        DatasetError
            If this is the last of `limit` images that were all rejected for one reason.
        """
        if self.is_over:
            return
        kind = reason.partition(":")[0]
        if not self.n:
            self.example, self.kind = f"{name}: {reason}", kind
        self.is_over = not reason or kind != self.kind
        self.n += 1
        if not self.is_over and self.n >= self.limit:
            raise DatasetError(
                f"expected images that can be used, found that the first {self.n} are all rejected for one reason "
                f"({self.example}). The others were not tried, what was finished before is kept. Repair the images, "
                "or what names them; to try all of them and keep the reasons add --max-rejected 1"
            )
