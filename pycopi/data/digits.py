"""The handwritten digits that come with pycopi: 1,797 images of 8 x 8, in two small IDX files here.

Attribution: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). These are the images of its test part, in the order
of scikit-learn's ``load_digits``, values unchanged; only the file format is another.
``digits-ATTRIBUTION.txt`` says the same.
"""

from pathlib import Path

import numpy as np

from pycopi.data.dataset import DIGITS, Dataset, class_numbers, scale_bytes
from pycopi.data.idx import read_idx
from pycopi.data.reading import bad_file

FOLDER = Path(__file__).parent
COUNT = 1797
BRIGHTEST = 16
TEST_EVERY = 5


def load_digits() -> Dataset:
    """Return the embedded digits: 1,437 training and 360 test images of 8 x 8, flattened, in [0, 1].

    Every fifth image (0, 5, 10, ...) is a test image and the others are for training. Both parts hold images of
    the same 13 writers, so test accuracy says nothing about writers never seen.
    """
    images = FOLDER / "digits-images-idx3-ubyte.gz"
    labels = FOLDER / "digits-labels-idx1-ubyte.gz"
    pixels = read_idx(images, (COUNT, 8, 8))
    if pixels.max() > BRIGHTEST:
        first = int(np.argmax(pixels > BRIGHTEST))
        what = f"expected a pixel from 0 to {BRIGHTEST}, got {pixels.flat[first]}"
        raise bad_file(images, 16 + first, what)
    x = scale_bytes(pixels, BRIGHTEST)
    y = class_numbers(labels, read_idx(labels, (COUNT,)), 8, 1)
    test = np.arange(COUNT) % TEST_EVERY == 0
    return Dataset("digits", x[~test], y[~test], x[test], y[test], DIGITS)
