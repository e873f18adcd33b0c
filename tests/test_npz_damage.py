""".npz files that are damaged or made by other hands: refused, or read as what was saved."""

import io
import re
import zipfile

import numpy as np
import pytest
from assertions import assert_same
from datafiles import (
    FEW,
    FLIPS,
    REPLACE,
    X,
    Y,
    assert_raises,
    assert_sound,
    flipped,
    header,
    npy_bytes,
    npz,
    raw_npz,
    sound_or_refused,
)
from hypothesis import given
from hypothesis import strategies as st

from pycopi.data import load_dataset, npy


@pytest.mark.parametrize(
    ("shape", "declared"),
    [((2, 2), 32), ((3, 1), 24), ((1 << 40, 1 << 40), 1 << 83), ((1 << 40, 1), 1 << 43)],
)
def test_npz_member_of_another_size(tmp_path, shape, declared):
    member = npy_bytes(header(shape), bytes(31))
    path, size = raw_npz(tmp_path / "a.npz", member), len(member)
    what = f"array x declares shape {shape} and dtype float64, so {size - 31 + declared} bytes"
    message = f"{path}: offset 0: {what}, but it has {size}{REPLACE}"
    assert_raises(ValueError, message, load_dataset, path)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"no array", r"the magic string is not correct; .*"),
        (npy_bytes("__import__('os').abort()"), "malformed node .*"),
        (npy_bytes("(" * 5000), ".*"),
        (npy_bytes("{[]: 1}"), ".*"),
        (npy_bytes(header((1, 1)), bytes(8), version=3), "format version 3.0, expected 1.0 or 2.0"),
        (npy_bytes(header((1, 1), "nonsense"), bytes(8)), "descr is not a valid dtype .*"),
        (npy_bytes(" " * 70000, version=2), "EOF: .*"),
    ],
)
def test_npz_member_with_a_bad_header(tmp_path, member, reason):
    path = raw_npz(tmp_path / "a.npz", member)
    before = re.escape(f"{path}: offset 0: array x has no valid header (")
    with pytest.raises(ValueError, match=f"^{before}{reason}\\){REPLACE}$"):
        load_dataset(path)


def test_npz_that_is_no_zip(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"no archive")
    message = f"{path}: offset 0: expected an .npz file (File is not a zip file){REPLACE}"
    assert_raises(ValueError, message, load_dataset, path)


def test_npz_with_a_damaged_value(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y)
    path.write_bytes(path.read_bytes().replace(np.float64(1).tobytes(), np.float64(2).tobytes()))
    what = "array x cannot be unpacked (Bad CRC-32 for file 'x.npy')"
    assert_raises(ValueError, f"{path}: offset 0: {what}{REPLACE}", load_dataset, path)


def test_npz_of_another_compression(tmp_path):
    path = raw_npz(tmp_path / "a.npz", b"", method=zipfile.ZIP_BZIP2)
    what = "array x is compressed by method 12, expected 0 or 8; save it with numpy.savez"
    assert_raises(ValueError, f"{path}: offset 0: {what}", load_dataset, path)


def test_npz_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "MAX_UNPACKED", 100)
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y)
    what = "array x unpacks to 160 bytes, at most 100 are allowed"
    advice = "save it without compression, with numpy.savez"
    assert_raises(ValueError, f"{path}: offset 0: {what}; {advice}", load_dataset, path)


def test_npz_that_declares_more_than_it_holds(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y)
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = (1 << 30).to_bytes(4, "little")  # the size of x in the directory
    path.write_bytes(raw)
    what = "array x declares 1073741824 bytes, but its data hold at most 160"
    assert_raises(ValueError, f"{path}: offset 0: {what}{REPLACE}", load_dataset, path)


def test_npz_member_that_ends_early(tmp_path):
    path = raw_npz(tmp_path / "a.npz", npy_bytes(header((2, 1)), bytes(8)), method=8)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 24] += 8  # the size of x in the directory
    path.write_bytes(raw)
    what = f"array x ends after 8 of 16 bytes of values{REPLACE}"
    assert_raises(ValueError, f"{path}: offset 0: {what}", load_dataset, path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_cut_short_anywhere(tmp_path, save):
    path = npz(tmp_path / "a.npz", save, x=X, y=Y)
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: offset 0: .*{REPLACE}$"):
            load_dataset(path)


def assert_same_or_refused(path, raw, good):
    """Raise unless a file with these bytes is refused, or gives the same data set, test set included."""
    path.write_bytes(raw)
    data = sound_or_refused(load_dataset, path)
    if data is None:
        return
    for name, wanted in good._asdict().items():
        found = getattr(data, name)
        assert type(found) is type(wanted), name
        if isinstance(wanted, np.ndarray):
            assert_same(found, wanted)
        else:
            assert found == wanted, name


def test_assert_same_or_refused_fails_on_another_data_set(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y, x_test=X, y_test=Y)
    good = load_dataset(path)
    raws = (npz(tmp_path / "b.npz", x=X, y=Y), npz(tmp_path / "c.npz", x=X, y=Y, x_test=X, y_test=1 - Y))
    for raw in raws:
        with pytest.raises(AssertionError):
            assert_same_or_refused(path, raw.read_bytes(), good)


def test_npz_with_a_flipped_bit_in_its_directory_loses_no_test_set(tmp_path):
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y, x_test=X, y_test=Y)
    good, raw = load_dataset(path), path.read_bytes()
    with zipfile.ZipFile(path) as file:
        start = file.start_dir
    for place in range(start, len(raw)):
        for bit in range(8):
            assert_same_or_refused(path, flipped(raw, [(place, 1 << bit)]), good)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_a_flipped_bit_in_any_byte(tmp_path, rng, save):
    path = npz(tmp_path / "a.npz", save, x=X, y=Y, x_test=X, y_test=Y)
    good, raw = load_dataset(path), path.read_bytes()
    for place, bit in enumerate(rng.integers(0, 8, len(raw))):
        assert_same_or_refused(path, flipped(raw, [(place, 1 << int(bit))]), good)


def entry(raw, number):
    """Return where an entry of the directory begins."""
    place = -1
    for _ in range(number + 1):
        place = raw.index(b"PK\x01\x02", place + 1)
    return place


def swallow(raw):
    """Make the entry of y take the entries after it for its comment."""
    place = entry(raw, 1)
    raw[place + 32 : place + 34] = (raw.index(b"PK\x05\x06") - entry(raw, 2)).to_bytes(2, "little")


def swallow_and_count(raw):
    """The same with the number of entries that is left."""
    swallow(raw)
    place = raw.index(b"PK\x05\x06")
    raw[place + 8 : place + 12] = b"\2\0\2\0"


def shift(raw):
    raw[entry(raw, 1) + 42] += 1


HIDDEN = [
    (swallow, r"offset \d+: the directory has 2 entries, but the end of the archive declares 4"),
    (swallow_and_count, r"offset \d+: a member begins here that is not in the directory"),
    (shift, r"offset \d+: expected a member here, of which the directory tells"),
]


@pytest.mark.parametrize(("change", "what"), HIDDEN)
def test_npz_with_a_hidden_member_says_so(tmp_path, change, what):
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y, x_test=X, y_test=Y)
    raw = bytearray(path.read_bytes())
    change(raw)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {what}{REPLACE}$"):
        load_dataset(path)


def test_npz_with_a_damaged_array_of_another_name_is_refused(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y, other=np.full(3, 7.0))
    path.write_bytes(path.read_bytes().replace(np.float64(7).tobytes(), np.float64(8).tobytes()))
    with pytest.raises(ValueError, match=r"array other cannot be unpacked \(Bad CRC-32 for file 'other.npy'\)"):
        load_dataset(path)


@pytest.mark.parametrize("before", [b"", b"something else"])
def test_npz_that_was_written_to_a_pipe_or_follows_other_bytes(tmp_path, before):
    """Then the sizes come after each member, and every offset is counted from another place."""
    raw = io.BytesIO()
    with zipfile.ZipFile(Unseekable(raw), "w") as file:
        for name, array in {"x": X, "y": Y}.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(f"{name}.npy", content.getvalue())
        file.comment = b"of two members"
    path = tmp_path / "a.npz"
    path.write_bytes(before + raw.getvalue())
    assert_same(load_dataset(path).x_train, X)


class Unseekable:
    """A file that can only be written to, in one go."""

    def __init__(self, raw):
        self.write, self.flush = raw.write, raw.flush


@FEW
@given(FLIPS, st.sampled_from([np.savez, np.savez_compressed]))
def test_npz_with_random_damage(folder, flips, save):
    path = npz(folder / "a.npz", save, x=X, y=Y, x_test=X, y_test=Y)
    path.write_bytes(flipped(path.read_bytes(), flips))
    data = sound_or_refused(load_dataset, path)
    if data is not None:
        assert_sound(data)


@FEW
@given(FLIPS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_npz_member_with_random_damage(folder, flips):
    member = npy_bytes(header((2, 1)), bytes(16))
    data = sound_or_refused(load_dataset, raw_npz(folder / "a.npz", flipped(member, flips)))
    if data is not None:
        assert_sound(data)
