"""Prices, sessions and corporate actions: a Lean data folder, read and written."""
