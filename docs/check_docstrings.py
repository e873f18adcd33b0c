"""Hold the docstring of every public name to numpydoc: `make check` runs this.

Every public function and class has a summary, and a section for each parameter, for what it returns, for
what it raises where that is not nothing, and an example.
"""

import inspect
import sys

from numpydoc.validate import validate

import pycopi
import pycopi.data
import pycopi.export
import pycopi.plotting
import pycopi.presets
import pycopi.river
import pycopi.sklearn
import pycopi.streams

# Left out: sections that say less than they cost (extended summary, see also, the yields of a context
# manager that yields nothing), and rules on layout.
LEFT_OUT = {"ES01", "SA01", "SA04", "GL01", "SS06", "RT02", "YD01"}
MODULES = {
    "pycopi": pycopi,
    "pycopi.analysis": pycopi.analysis,
    "pycopi.data": pycopi.data,
    "pycopi.export": pycopi.export,
    "pycopi.plotting": pycopi.plotting,
    "pycopi.presets": pycopi.presets,
    "pycopi.river": pycopi.river,
    "pycopi.sklearn": pycopi.sklearn,
    "pycopi.streams": pycopi.streams,
}


def complaints(name: str, thing: object) -> list[str]:
    """Return what numpydoc finds wrong with the docstring of one name."""
    found = [f"{code} {text}" for code, text in validate(name)["errors"] if code not in LEFT_OUT]
    if inspect.isclass(thing):  # what classes are for shows in the functions that take them
        found = [text for text in found if not text.startswith(("EX01", "PR01"))]
    return found


def main() -> int:
    """Print every complaint, and return the exit status."""
    names = {
        f"{module}.{name}": getattr(holder, name)
        for module, holder in MODULES.items()
        for name in holder.__all__
        if callable(getattr(holder, name))
    }
    found = [f"{name}: {text}" for name, thing in names.items() for text in complaints(name, thing)]
    print("\n".join(found) or f"{len(names)} public names have their docstrings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
