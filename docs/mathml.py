"""A Sphinx extension of one idea: formulas are translated to MathML when the pages are built.

Browsers show MathML themselves, so that the pages load no script and no font from anywhere.
"""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def render_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula that stands in a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def render_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula that stands by itself."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the two functions known to Sphinx under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (render_inline, None), (render_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
