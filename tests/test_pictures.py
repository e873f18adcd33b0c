"""Pictures of analyses: what they show, for any library, and that bad arguments leave no file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from assertions import assert_same, exactly
from pictures import assert_png, read_texts

from pycopi.plotting import (
    compression_curves,
    correlation_matrices,
    image_comparison,
    receptive_field_grid,
)
from pycopi.plotting.mosaic import as_images, columns_for, signed_colours, tile

RNG = np.random.default_rng(3)
GREY, COLOUR = (4, 5), (3, 4, 5)
SIGNED = RNG.normal(size=(7, 60))
MATRIX = np.array([[1.0, -0.25], [-0.25, 1.0]])


def test_mosaic_puts_images_in_rows():
    images = np.arange(1.0, 4.0)[:, None, None] * np.ones((3, 2, 2))
    gap = np.nan
    wanted = np.array(
        [
            [1, 1, gap, 2, 2],
            [1, 1, gap, 2, 2],
            [gap, gap, gap, gap, gap],
            [3, 3, gap, gap, gap],
            [3, 3, gap, gap, gap],
        ]
    )
    assert_same(tile(images, 2), wanted)


def test_colour_images_have_their_channels_last():
    images = as_images("x", np.arange(24.0).reshape(2, 12), (3, 2, 2))
    assert images.shape == (2, 2, 2, 3)
    assert_same(images[0, 0, 1], np.array([1.0, 5.0, 9.0]))
    assert np.isfinite(tile(images, 2)).all()
    assert_same(signed_colours(np.array([-9.0, -2.0, 0.0, 1.0, 9.0]), 2.0), np.array([0, 0, 0.5, 0.75, 1.0]))


@pytest.mark.parametrize("count", range(1, 130))
def test_grids_are_about_square(count):
    columns = columns_for(count)
    rows = -(-count // columns)
    assert rows * columns >= count
    assert rows <= columns < 2 * max(rows, np.sqrt(count)) + 2


@pytest.mark.parametrize(("shape", "features"), [(GREY, 20), (COLOUR, 60)])
def test_image_comparison(eager, tmp_path, shape, features):
    rows = {"raw": np.abs(SIGNED[:, :features]), "decorrelated": SIGNED[:, :features]}
    path = tmp_path / "images.svg"
    image_comparison({name: eager.asarray(part) for name, part in rows.items()}, shape, path)
    texts = read_texts(path)
    assert "raw" in texts
    assert "decorrelated" in texts
    assert ("pixel value" in texts) == (len(shape) == 2)
    assert ("middle grey is 0" in texts) == (len(shape) == 3)


@pytest.mark.parametrize(("shape", "features"), [(GREY, 20), (COLOUR, 60)])
def test_receptive_field_grid(eager, tmp_path, shape, features):
    fields = SIGNED[:, :features].copy()
    fields[2] = 0.0
    path = tmp_path / "fields.svg"
    receptive_field_grid(eager.asarray(fields), shape, path, title="fields of layer 2", units=5)
    texts = read_texts(path)
    assert "fields of layer 2, units 1 to 5 of 7" in texts
    assert "largest value" in texts
    receptive_field_grid(fields, shape, path)
    assert "receptive fields, 7 units" in read_texts(path)


def test_correlation_matrices(eager, tmp_path):
    path = tmp_path / "correlation.svg"
    matrix = eager.asarray(MATRIX)
    correlation_matrices({"before": matrix, "after": eager.asarray(np.eye(2))}, path, feature="pixel")
    texts = read_texts(path)
    for text in ("before", "mean |r| off the diagonal: 0.250", "after", "0.000", "pixel", "not centred"):
        assert text in texts


def test_compression_curves(tmp_path):
    path = tmp_path / "compression.svg"
    compression_curves({"ours": [0.983, 0.981, 0.845]}, path)
    texts = read_texts(path)
    for text in ("98.30", "84.50", "accuracy (% of test samples)", "layers removed"):
        assert text in texts
    assert "ours" not in texts
    compression_curves({"ours": [0.9, 0.8], "published": [0.9, 0.7]}, path)
    texts = read_texts(path)
    assert "ours" in texts
    assert "published" in texts
    assert "80.00" not in texts


def test_every_format_is_whole(tmp_path):
    compression_curves({"ours": [0.5]}, tmp_path / "curve.png")
    assert_png(tmp_path / "curve.png")
    correlation_matrices({"one": MATRIX}, tmp_path / "one.pdf")
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")


REFUSED = {
    "no versions": (
        lambda path: image_comparison({}, GREY, path),
        ValueError,
        "rows is empty; expected at least one version of the images",
    ),
    "numbers of images": (
        lambda path: image_comparison({"a": SIGNED[:2, :20], "b": SIGNED[:3, :20]}, GREY, path),
        ValueError,
        "rows have {'a': 2, 'b': 3} images; expected the same number in each",
    ),
    "size of images": (
        lambda path: image_comparison({"raw": SIGNED}, GREY, path),
        ValueError,
        "raw has shape (7, 60) but an image has shape (4, 5); expected (any, 20)",
    ),
    "no images": (
        lambda path: receptive_field_grid(SIGNED[:0], COLOUR, path),
        ValueError,
        "fields has no rows; expected at least one image",
    ),
    "shape": (
        lambda path: receptive_field_grid(SIGNED, (2, 5, 6), path),
        ValueError,
        "shape is (2, 5, 6); expected (rows, columns), or (3, rows, columns) for images in colour",
    ),
    "units": (
        lambda path: receptive_field_grid(SIGNED, COLOUR, path, units=0),
        ValueError,
        "units is 0; expected a whole number of at least 1",
    ),
    "no array": (
        lambda path: receptive_field_grid([[1.0]], (1, 1), path),
        TypeError,
        "fields is a list; expected an array of images, a row each",
    ),
    "no matrices": (
        lambda path: correlation_matrices({}, path),
        ValueError,
        "matrices is empty; expected at least one correlation matrix",
    ),
    "no accuracies": (
        lambda path: compression_curves({"ours": []}, path),
        ValueError,
        "curves is {'ours': []}; expected at least one accuracy for each name",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named_and_leave_no_file(case, tmp_path: Path):
    call, kind, message = case
    with pytest.raises(kind, match=exactly(message)):
        call(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: image_comparison({"raw": SIGNED}, COLOUR, path),
        lambda path: receptive_field_grid(SIGNED, COLOUR, path),
        lambda path: correlation_matrices({"one": MATRIX}, path),
        lambda path: compression_curves({"ours": [0.5]}, path),
    ],
)
def test_without_matplotlib(draw, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "pycopi\[cli\]"'):
        draw(tmp_path / "picture.png")


def test_pyplot_is_left_alone(tmp_path):
    code = (
        "import sys, numpy as np, pycopi.plotting as p\n"
        "assert 'matplotlib' not in sys.modules\n"
        "x = np.eye(4)\n"
        "p.image_comparison({'raw': x}, (2, 2), 'a.png')\n"
        "p.receptive_field_grid(x, (2, 2), 'b.png')\n"
        "p.correlation_matrices({'raw': x}, 'c.png')\n"
        "p.compression_curves({'ours': [0.5, 0.4]}, 'd.png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    for name in "abcd":
        assert_png(tmp_path / f"{name}.png")
