"""Prints the oldest versions that pyproject.toml allows, for pip: ``python oldest.py test numba``.

What the build, the package and the named extras need is taken at its lower bound; an extra that is made of
other extras is resolved. A requirement without a lower bound is an error, since nothing would be tested then.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<extras>\[[\w,-]+\])?(?:>=(?P<oldest>[\w.]+))?")


def oldest(project: dict, extras: list[str]) -> Iterator[str]:
    """Yield ``name==version`` for everything that a build, the package and its extras need."""
    yield from _pinned(project, project["build-system"]["requires"])
    yield from _pinned(project, project["project"]["dependencies"])
    for extra in extras:
        yield from _pinned(project, project["project"]["optional-dependencies"][extra])


def _pinned(project: dict, requirements: list[str]) -> Iterator[str]:
    own = project["project"]["name"]
    for requirement in requirements:
        found = _REQUIREMENT.fullmatch(requirement)
        if found and found["name"] == own and found["extras"]:
            for extra in found["extras"].strip("[]").split(","):
                yield from _pinned(project, project["project"]["optional-dependencies"][extra])
        elif found and found["oldest"]:
            yield f"{found['name']}{found['extras'] or ''}=={found['oldest']}"
        else:
            msg = f"{requirement!r} has no lower bound that can be read; expected name>=version"
            raise ValueError(msg)


if __name__ == "__main__":
    print("\n".join(dict.fromkeys(oldest(tomllib.loads(PROJECT.read_text()), sys.argv[1:]))))
