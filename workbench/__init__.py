"""The workbench: what was wanted, what was traded, and why the two differ."""

__version__ = "0.1.0"
