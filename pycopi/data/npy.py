"""Reading one array out of an ``.npz`` archive without trusting a number in it.

Rules of this file:

- nothing is unpickled and nothing evaluated: NumPy's own header parser reads literals only, and
  object arrays are refused before their values are read;
- an array is allocated once its declared shape, its declared size and the size of the file agree;
- whatever NumPy or zipfile raise over a damaged file becomes a ValueError with the file's name, the
  offset of the member in the file, and the array's name.
"""

import io
import math
import sys
import zipfile
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from pycopi.data.reading import DEFLATE_RATIO, bad_file, damaged, fill

MAX_UNPACKED = 1 << 32  # bytes that a compressed array may unpack to
MAX_AXES = 32
_LONGEST_HEADER = 1 << 16


class Header(NamedTuple):
    """What the header of an array declares, and how many bytes it takes itself."""

    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[Any]
    length: int


KINDS = {"i": "integers", "u": "integers", "f": "floats", "b": "booleans", "U": "text", "S": "text"}


def read_member(path: Path, archive: zipfile.ZipFile, name: str, kinds: str = "iuf") -> NDArray[Any]:
    """Return one array of an open ``.npz`` archive, in C order and in the machine's byte order.

    ``kinds`` are those of the dtypes that it may have, as NumPy abbreviates them, of ``"iufbUS"``; bytes are
    decoded as UTF-8.
    """
    info = archive.getinfo(f"{name}.npy")
    offset = info.header_offset
    _check_sizes(path, info, name)
    with damaged(path, offset, f"array {name} cannot be unpacked"), archive.open(info) as stream:
        start = stream.read(_LONGEST_HEADER)
    header = _read_header(path, offset, name, start)
    _check_header(path, info, name, header, kinds)
    values = np.empty(info.file_size - header.length, np.uint8)
    with damaged(path, offset, f"array {name} cannot be unpacked"), archive.open(info) as stream:
        stream.read(header.length)
        done = fill(values, cast(zipfile.ZipExtFile, stream))
    if done < values.size:
        what = f"array {name} ends after {done} of {values.size} bytes of values"
        raise bad_file(path, offset, what)
    order: Literal["C", "F"] = "F" if header.column_major else "C"
    array = values.view(header.dtype).reshape(header.shape, order=order)
    array = np.ascontiguousarray(array, header.dtype.newbyteorder("="))
    with damaged(path, offset, f"array {name} holds no valid values"):
        return _sound(array)


def _sound(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose bytes are values of its dtype; raise if there are none such."""
    sound: NDArray[Any] = array
    if array.dtype.kind == "b":
        sound = array.view(np.uint8) != 0
    if array.dtype.kind == "S":
        sound = np.char.decode(array, "utf-8", "backslashreplace")
    if array.dtype.kind == "U" and array.view(np.uint32).max() > sys.maxunicode:
        message = f"a character above {sys.maxunicode:#x}"
        raise ValueError(message)
    return sound


def _check_sizes(path: Path, info: zipfile.ZipInfo, name: str) -> None:
    """Raise unless the member is stored or deflated and its two sizes are possible in this file."""
    packed = info.compress_type == zipfile.ZIP_DEFLATED
    if not packed and info.compress_type != zipfile.ZIP_STORED:
        what = f"array {name} is compressed by method {info.compress_type}, expected 0 or 8"
        raise bad_file(path, info.header_offset, what, "save it with numpy.savez")
    most = min(info.compress_size, path.stat().st_size) * (DEFLATE_RATIO if packed else 1)
    if info.file_size > most:
        what = f"array {name} declares {info.file_size} bytes, but its data hold at most {most}"
        raise bad_file(path, info.header_offset, what)
    if packed and info.file_size > MAX_UNPACKED:
        what = f"array {name} unpacks to {info.file_size} bytes, at most {MAX_UNPACKED} are allowed"
        advice = "save it without compression, with numpy.savez"
        raise bad_file(path, info.header_offset, what, advice)


def _read_header(path: Path, offset: int, name: str, start: bytes) -> Header:
    """Return the header that the first bytes of a member hold."""
    stream = io.BytesIO(start)
    with damaged(path, offset, f"array {name} has no valid header"):
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            declared = npy_format.read_array_header_1_0(stream)
        elif version == (2, 0):
            declared = npy_format.read_array_header_2_0(stream)
        else:  # version 3 is for field names, which a numeric array has not
            message = f"format version {version[0]}.{version[1]}, expected 1.0 or 2.0"
            raise ValueError(message)
    return Header(*declared, stream.tell())


def _check_header(path: Path, info: zipfile.ZipInfo, name: str, header: Header, kinds: str) -> None:
    """Raise unless the declared array is of the kinds, not empty, and as large as the member."""
    offset, shape = info.header_offset, header.shape
    if header.dtype.kind not in kinds or not header.dtype.itemsize:
        *others, last = dict.fromkeys(KINDS[kind] for kind in kinds)
        what = f"expected {', '.join(others)} or {last} in array {name}, got dtype {header.dtype}"
        advice = "save a numeric array" if "U" not in kinds else "save numbers, or text with .astype(str)"
        raise bad_file(path, offset, what, advice)
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 1:
        what = f"expected 1 to {MAX_AXES} axes of length 1 or more in array {name}, got {shape}"
        raise bad_file(path, offset, what, "save an array with values")
    size = header.length + math.prod(shape) * header.dtype.itemsize
    if size != info.file_size:
        what = f"array {name} declares shape {shape} and dtype {header.dtype}, so {size} bytes"
        raise bad_file(path, offset, f"{what}, but it has {info.file_size}")
