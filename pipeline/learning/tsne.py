"""t-SNE with the settings that every picture of features has here.

Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SEED", "perplexity_of", "tsne"]

SEED = 0
_PERPLEXITY = 30.0


def perplexity_of(n: int) -> float:
    """Of n units: 30, or a third of them where that is less."""
    return min(_PERPLEXITY, (n - 1) / 3)


def tsne(features: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Places in a plane from a PCA start, with a fixed seed: float32, shape (U, 2).

    Parameters
    ----------
    features : shape (U, D), U >= 4, finite; of a single number the start is random
    """
    from sklearn.manifold import TSNE  # late: it takes seconds

    start = "pca" if min(features.shape) >= 2 else "random"
    model = TSNE(2, perplexity=perplexity_of(len(features)), init=start, random_state=SEED)
    places: npt.NDArray[np.float32] = model.fit_transform(features.astype(np.float32))
    return places
