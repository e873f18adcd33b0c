"""Sphinx configuration. The build needs no network: formulas become MathML here, without a script."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import run_examples

import pycopi

project = "pycopi"
author = "The pycopi developers"
copyright = author
version = release = pycopi.__version__

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
sphinx_gallery_conf = run_examples.settings()
default_role = "py:obj"
# A link to a public name that is not in the reference is an error; docstrings use short names freely.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!pycopi\.).*")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"pycopi {release}"
html_static_path = ["_static"]
html_css_files = ["pycopi.css"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5f8b",
        "color-brand-content": "#1f5f8b",
        "color-brand-visited": "#1f5f8b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7fb8de",
        "color-brand-content": "#7fb8de",
        "color-brand-visited": "#7fb8de",
    },
}
