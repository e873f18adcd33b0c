"""Files that are either there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its name when the block ends.

    If the block raises, the temporary file is removed and whatever stood at ``path`` is left as it was.
    Where ``path`` is a link, the file that it leads to is replaced.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        msg = f"{target}: the folder {target.parent} does not exist; create it first"
        raise FileNotFoundError(msg)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        usual = temporary.stat().st_mode  # the permissions that new files get here
        yield temporary
        temporary.chmod(usual)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
