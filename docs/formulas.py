"""Formulas in the manual as MathML, drawn as those of the report are: no script, no font to fetch."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from derive.page.mathml import mathml

_LOG = logging.getLogger(__name__)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_drawn(node, is_display=False))
    raise nodes.SkipNode


def _display(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{_drawn(node, is_display=True)}</div>\n')
    raise nodes.SkipNode


def _drawn(node: nodes.Element, is_display: bool) -> str:
    drawn = mathml(node.astext(), is_display=is_display)
    if not drawn.startswith("<math"):
        _LOG.warning("there is no MathML for %r", node.astext(), location=node)
    return str(drawn)
