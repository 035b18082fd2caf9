"""The site: `make docs` executes every cell of every page; an error anywhere fails the build."""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # pages run the same everywhere
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import ledger_pages  # noqa: E402

project = "∇NeRF"
author = "the ∇NeRF authors"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["pictures"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
html_theme = "furo"
html_title = "∇NeRF"


def setup(app):
    """Writes what is generated, before anything is read."""
    app.connect("builder-inited", lambda app: ledger_pages.write())
