"""Where conda-forge calls a package otherwise than PyPI does, and what is taken from PyPI in a conda environment too."""

CONDA_NAMES = {"duckdb": "python-duckdb", "tzdata": "python-tzdata"}
FROM_PYPI = {"bokeh-sampledata", "ib-async", "skfolio"}         # not on conda-forge, or not in time
