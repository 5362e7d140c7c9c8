"""How Sphinx builds the manual: ``make docs``. Nothing is fetched, neither by the build nor by its pages."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.docstrings import SECTIONS  # noqa: E402

project = "handgrad"
copyright = "the authors of handgrad"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.cell_pages",
    "docs.docstrings",
    "docs.formulas",
]
exclude_patterns = ["files"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Docstrings have single backticks around code, and the shapes of what a signature names.
default_role = "code"
autodoc_typehints = "none"
autodoc_mock_imports = ["torch"]
autodoc_default_options = {"member-order": "bysource"}
napoleon_custom_sections = SECTIONS
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "handgrad"
html_math_renderer = "mathml"
html_static_path = ["static", "../templates/html/derivation.css"]
html_css_files = ["derivation.css", "handgrad.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"handgrad-gradients": "#7a4fb5", "handgrad-values": "#8d94a1"},
    "dark_css_variables": {"handgrad-gradients": "#b796ea", "handgrad-values": "#767d8b"},
}
