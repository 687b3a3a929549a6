"""The store's tables, as numbered steps in order. Each step is recorded under its number and name, and never edited later.

Money is DECIMAL(38,12) dollars or shares, instants TIMESTAMPTZ in UTC, sessions DATE. No column holds the clock of whoever
filled the table: a store rebuilt from the same files has the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import BadInput
from workbench.store import folds

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = """
create table ingested_files (        -- every file that was read, so that an unchanged one is not read again
    file varchar not null,           -- relative to the data folder, with forward slashes
    kind varchar not null,
    size bigint not null,            -- bytes, modification time (ns) and inode when it was last seen
    mtime_ns bigint not null,
    inode ubigint not null,
    read_to bigint not null,         -- bytes that were read: a growing file's last line may not be whole yet
    lines bigint not null,
    sha256 varchar not null,         -- of the bytes up to read_to
    runs varchar[] not null          -- whose events it tells
);
create table bad_lines (             -- what could not be read; the rest of its file was
    file varchar not null,
    line bigint not null,            -- counted from 1; the item's position in a JSON list; 0: the whole file
    text varchar not null,
    reason varchar not null
);
create table snapshots (
    snapshot_id varchar not null, strategy varchar not null, rebalance_date date not null, as_of timestamptz not null,
    snapshot_date date not null, parameters json not null, holdings json, data_fingerprint varchar not null,
    gross decimal(38,12) not null, net decimal(38,12) not null, cash_weight decimal(38,12) not null, file varchar not null
);
create table snapshot_items (
    snapshot_id varchar not null, position integer not null, symbol varchar not null, instrument_id varchar not null,
    target_weight decimal(38,12) not null, decision_price decimal(38,12) not null, score decimal(38,12), file varchar not null
);
create table intents (
    order_intent_id varchar not null, snapshot_id varchar not null, position integer not null, symbol varchar not null,
    instrument_id varchar not null, weight decimal(38,12), snapshot_date date not null, rebalance_date date not null,
    decision_price decimal(38,12) not null, side varchar not null, quantity bigint, order_type varchar,
    limit_price decimal(38,12), source varchar not null, file varchar not null
);
create table params (
    params_id varchar not null, min_qty bigint not null, lot_size bigint not null, cash_buffer_ratio decimal(38,12) not null,
    rounding varchar not null, fee_bps decimal(38,12) not null, slippage_open_bps decimal(38,12) not null,
    slippage_close_bps decimal(38,12) not null, order_type varchar not null, limit_offset_bps decimal(38,12) not null,
    time_in_force varchar not null, close_unlisted boolean not null, capital_fraction decimal(38,12) not null,
    max_price_age_sessions bigint not null, brokerage varchar not null, normalization varchar not null,
    resolution varchar not null, risk_overrides json not null, file varchar not null
);
create table runs (
    run_id varchar not null, strategy varchar not null, engine varchar not null, engine_version varchar not null,
    mode varchar not null, account varchar not null, snapshot_ids varchar[] not null, rebalance_dates date[] not null,
    params_id varchar not null, data_fingerprint varchar not null, algorithm_sha256 varchar not null,
    start_date date not null, end_date date not null, cash decimal(38,12) not null, rejected json not null,
    file varchar not null
);
create table attempts (
    run_id varchar not null, attempt integer not null, state varchar not null, mode varchar not null,
    queued_at timestamptz not null, started_at timestamptz, ended_at timestamptz, order_intent_path varchar not null,
    execution_params_path varchar not null, cause varchar, exit_code bigint, pid bigint, host varchar, file varchar not null
);
create table events (                -- one row per line heard; key: run_id, attempt, writer, identity
    run_id varchar not null,
    attempt integer not null,
    writer varchar not null,         -- journal, repairs, lean, or the name given to another source
    identity varchar not null,       -- seq of a journal, id of a Lean event, hash of the values of a plain line
    seq bigint,
    place bigint not null,           -- order of the lines of one writer within one moment
    kind varchar not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz,
    tag varchar,                     -- order_ref where we sent it, else whatever came
    order_intent_id varchar,
    order_id varchar,
    event_id integer,
    broker_id varchar,
    exec_id varchar,
    symbol varchar,
    instrument_id varchar,
    side varchar,
    order_type varchar,
    time_in_force varchar,
    limit_price decimal(38,12),
    stop_price decimal(38,12),
    status varchar,
    quantity decimal(38,12),         -- of the order, signed; on a sized line, of the order wanted
    fill_quantity decimal(38,12),    -- of this event, signed
    filled decimal(38,12),           -- of the order so far, unsigned: told by sources that count so
    fill_price decimal(38,12),
    fee decimal(38,12),
    arrival_price decimal(38,12),
    arrival_source varchar,
    message varchar,
    repeats boolean not null,        -- a Lean event that the journal of the same attempt tells too
    inferred boolean not null,
    line varchar not null using compression zstd        -- as it came; alike as lines are, a sixth of the room
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, its name, and the statements that make it."""

    number: int
    name: str
    sql: str


MIGRATIONS = (
    Migration(1, "tables", TABLES),
    Migration(2, "folds", folds.VIEWS),
)
CURRENT = MIGRATIONS[-1].number


def version(connection: DuckDBPyConnection) -> int:
    """The number of the last step taken; 0 for an empty database."""
    found = connection.execute("select 1 from duckdb_tables() where table_name = 'migrations'").fetchone()
    if found is None:
        return 0
    row = connection.execute("select coalesce(max(number), 0) from migrations").fetchone()
    assert row is not None
    return int(row[0])


def refuse_newer(number: int, where: str) -> None:
    """Raise `BadInput` for a database that a later workbench has made."""
    if number > CURRENT:
        raise BadInput(f"the store is at version {number}, and this workbench knows versions up to {CURRENT}", where=where,
                       remedy="use the newer workbench, or move the file away and run `workbench store rebuild`")


def migrate(connection: DuckDBPyConnection, where: str) -> None:
    """Take every step that is missing, each in a transaction of its own. Raises `BadInput` for a newer database."""
    taken = version(connection)
    refuse_newer(taken, where)
    for step in MIGRATIONS:
        if step.number > taken:
            connection.execute("begin")
            connection.execute("create table if not exists migrations (number integer not null, name varchar not null)")
            connection.execute(step.sql)
            connection.execute("insert into migrations values (?, ?)", [step.number, step.name])
            connection.execute("commit")
