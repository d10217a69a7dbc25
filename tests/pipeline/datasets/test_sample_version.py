"""The pictures of this generator version: features, heads and the embedded encoder were made from these very faces."""

import numpy as np
import pytest

from pipeline.datasets.drawn import GENERATOR_VERSION, STYLES, draw_face, sample_specs

# Mean grey of the first 20 pictures, seed 0, in a grid of 4 x 4. A change of them needs a new GENERATOR_VERSION.
VERSION = 1
GREY = {
    "sample-a": [[231, 194, 191, 230], [219, 180, 177, 215], [222, 195, 192, 221], [222, 201, 201, 225]],
    "sample-b": [[147, 135, 133, 146], [144, 125, 125, 141], [142, 122, 120, 140], [142, 128, 127, 143]],
    "sample-c": [[115, 124, 118, 108], [110, 139, 123, 104], [90, 106, 96, 87], [71, 65, 64, 70]],
    "sample-d": [[105, 108, 110, 109], [98, 130, 128, 106], [88, 113, 114, 102], [83, 79, 84, 96]],
    "sample-e": [[111, 132, 133, 97], [136, 150, 154, 118], [139, 172, 169, 133], [114, 158, 153, 113]],
}
A_GREY_LEVEL = 1.0  # rounding of ours, and what another Pillow or numpy may draw otherwise


@pytest.mark.parametrize("style", STYLES)
def test_pictures_are_those_of_the_version(style):
    assert GENERATOR_VERSION == VERSION
    mean = np.mean([draw_face(spec, style) for spec in sample_specs(style, 20)], axis=(0, 3))
    grid = [[part.mean() for part in np.array_split(row, 4, axis=1)] for row in np.array_split(mean, 4, axis=0)]
    np.testing.assert_allclose(grid, GREY[style], rtol=0, atol=A_GREY_LEVEL)
