"""The site made of these pages: Sphinx with MyST and Furo (docs/decisions/0020-documentation-site.md)."""

project = "textshards"
html_title = "textshards"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 3
# Pages are written to be read as files too: some of their links go to files that are no pages of the site.
suppress_warnings = ["myst.xref_missing"]
