"""A Sphinx extension of one idea: formulas are translated to MathML when the pages are built.

Browsers show MathML themselves, so that the pages load no script and no font from anywhere.
"""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

PRIME = re.compile(r"<msup>(<mi>.</mi>)<mi>&#x02032;</mi></msup>")


def mathml(formula: str, display: str) -> str:
    """Return a formula as MathML; a prime is beside its letter, where every font has it raised."""
    return PRIME.sub(r'\1<mo lspace="0" rspace="0">&#x02032;</mo>', convert(formula, display=display))


def render_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def render_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the two functions known to Sphinx under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (render_inline, None), (render_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
