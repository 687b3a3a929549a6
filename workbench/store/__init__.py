"""DuckDB: what was decided, sent and heard, indexed from files, folded into orders and positions, asked in words or SQL."""

from workbench.store.ingest import Ingested
from workbench.store.store import Rows, Store

__all__ = ["Ingested", "Rows", "Store"]
