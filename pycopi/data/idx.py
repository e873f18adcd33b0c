"""A parser for IDX files of unsigned bytes, plain or gzip: the format of MNIST.

Rules of this file:

- gzip is recognised by its first two bytes, never by the file's name;
- nothing is allocated before the header has been checked against the bytes that the file can hold;
- whatever is wrong with a file is a ValueError with its name and an offset: the offset in the file,
  or in its unpacked content where the file is gzip.

Layout: two zero bytes, one byte for the type (8: unsigned byte), one for the number of axes, each
axis' length as a big-endian 32-bit integer, then the values in C order.
"""

import math
import os
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from pycopi.data.reading import DEFLATE_RATIO, Bytes, bad_file, fill

MAX_UNPACKED = 1 << 28  # bytes that a gzip file may unpack to: 342,000 images of 28 x 28


def read_idx(path: Path, shape: tuple[int | None, ...]) -> Bytes:
    """Return the array that an IDX file of unsigned bytes holds, plain or gzip.

    ``shape`` is what it must have; None stands for any length from 1 up.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            return _read_gzip(file, path, shape, size)
        axes = _read_header(file, path, shape)
        start = 4 + 4 * len(shape)
        if size != start + math.prod(axes):
            right = start + math.prod(axes)
            what = f"the header declares shape {axes}, so {right} bytes, but the file has {size}"
            raise bad_file(path, min(size, right), what)
        return _read_values(file, path, axes)


def _read_gzip(file: BufferedIOBase, path: Path, shape: tuple[int | None, ...], size: int) -> Bytes:
    """Read a gzip file of `size` bytes; every way in which unpacking fails is a ValueError."""
    import gzip
    import zlib

    limit = min(MAX_UNPACKED, size * DEFLATE_RATIO)
    with gzip.GzipFile(fileobj=file) as stream:
        try:
            axes = _read_header(stream, path, shape)
            if math.prod(axes) > limit:
                what = f"the header declares shape {axes}, {math.prod(axes)} bytes"
                raise bad_file(path, 4, f"{what}; at most {limit} may be unpacked from this file")
            values = _read_values(stream, path, axes)
            if stream.read(1):  # at the end this also compares the checksum
                what = f"data go on after the declared shape {axes}"
                raise bad_file(path, stream.tell() - 1, what)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise bad_file(path, stream.tell(), f"the gzip stream is damaged ({error})") from error
    return values


def _read_header(stream: BufferedIOBase, path: Path, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return the declared shape, once the magic number and the lengths are as expected."""
    wanted = bytes([0, 0, 8, len(shape)])
    header = stream.read(4 + 4 * len(shape))
    if header[:4] != wanted:
        got = f"0x{header[:4].hex()}" if header else "an empty file"
        what = f"0x{wanted.hex()} (unsigned bytes, axes: {len(shape)})"
        raise bad_file(path, 0, f"expected the IDX magic number {what}, got {got}")
    if len(header) < 4 + 4 * len(shape):
        what = f"expected a header of {4 + 4 * len(shape)} bytes"
        raise bad_file(path, len(header), f"{what}, but the data end after {len(header)}")
    axes = tuple(int(length) for length in np.frombuffer(header, ">u4", offset=4))
    for axis, (length, expected) in enumerate(zip(axes, shape, strict=True)):
        if length == 0 or expected not in (None, length):
            what = f"axis {axis} must have length {expected or '1 or more'}, got {length}"
            raise bad_file(path, 4 + 4 * axis, what)
    return axes


def _read_values(stream: BufferedIOBase, path: Path, axes: tuple[int, ...]) -> Bytes:
    """Fill a new array of the checked shape from the stream."""
    values = np.empty(math.prod(axes), np.uint8)
    done = fill(values, stream)
    if done < values.size:
        what = f"the data end before the declared shape {axes} is filled"
        raise bad_file(path, 4 + 4 * len(axes) + done, what)
    return values.reshape(axes)
