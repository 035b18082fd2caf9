"""The site: `make docs` executes every cell of every page; an error anywhere fails the build."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # pages run the same everywhere

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
