"""Numbers, names and durations as texts, in the files and lines that people read."""

import numpy as np
import pytest

from pycopi._json import as_json, read_number
from pycopi.export.c_text import number, quoted
from pycopi.plotting.mosaic import columns_for
from pycopi.training.fingerprint import fingerprint


def test_numbers_that_json_lacks_are_texts():
    found = as_json({"loss": float("inf"), "correlation": (0.5, float("nan"))})
    assert found == {"loss": "inf", "correlation": [0.5, "nan"]}
    assert (read_number(2), read_number("-inf")) == (2.0, -np.inf)
    assert np.isnan(read_number(None))


def test_numbers_and_labels_in_c():
    assert (number(1.0), number(0.1), number(1e-20)) == ("1.0f", "0.1f", "1e-20f")
    assert quoted('a "b"') == '"a \\042b\\042"'


def test_a_grid_of_pictures_is_about_square():
    assert [columns_for(count) for count in (1, 7, 10, 16, 100)] == [1, 3, 5, 4, 10]


def test_a_fingerprint_has_dtype_shape_and_checksum():
    found = fingerprint({"x_train": np.zeros((2, 3), np.float32), "x_test": None})
    assert found == {"x_train": "float32 (2, 3) a3c1ca20"}


def test_texts_of_the_command():
    pytest.importorskip("rich")
    from pycopi.cli.flags import read_hidden
    from pycopi.cli.plan import default_of
    from pycopi.cli.progress import has_a_line
    from pycopi.cli.reproduce import as_duration

    assert (read_hidden("500x2,100"), read_hidden("none")) == ((500, 500, 100), ())
    assert default_of("batch_size") == "20; files: auto; mnist, cifar10: 50"
    shown = [epoch for epoch in range(1, 41) if has_a_line(epoch, 40)]
    assert shown == [1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]
    assert [as_duration(seconds) for seconds in (42.4, 200, 9000)] == ["42 s", "3 min", "2 h 30 min"]
