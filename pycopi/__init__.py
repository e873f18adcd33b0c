"""Constrained parameter inference (COPI): local learning with decorrelated layer inputs, on any array library.

The names here are the whole public interface, together with the modules `pycopi.analysis`, `pycopi.data`,
`pycopi.activations`, `pycopi.export`, `pycopi.plotting` and `pycopi.presets`.

They are imported when the first of them is used: importing the package alone brings no NumPy, so that the
command can answer Ctrl-C while libraries are still being loaded.
"""

# ruff: noqa: F403  (what the star brings is in _public.py)

from pycopi._build import VERSION

__version__ = VERSION

TYPE_CHECKING = False  # as in typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from pycopi import data as data
    from pycopi import export as export
    from pycopi import plotting as plotting
    from pycopi import presets as presets
    from pycopi._public import *

if not TYPE_CHECKING:  # else a type checker would take any name for one of this module

    def __getattr__(name):
        """Return a module, or a name of the public interface, that has not been used yet."""
        from importlib import import_module

        try:
            return import_module(f"pycopi.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"pycopi.{name}":  # something that the module needs
                raise
        public = {} if name.startswith("_") and name != "__all__" else vars(import_module("pycopi._public"))
        if name == "__all__":
            modules = "__version__", "data", "export", "plotting", "presets"
            return sorted([*modules, *(one for one in public if not one.startswith("_"))])
        if name in public:
            globals()[name] = public[name]
            return public[name]
        msg = f"module 'pycopi' has no attribute {name!r}"
        raise AttributeError(msg, name=name)

    def __dir__():
        """Return all names, those that have not been used yet included."""
        return sorted({*globals(), *__getattr__("__all__")})
