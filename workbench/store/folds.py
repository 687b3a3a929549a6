"""Orders, fills and positions as views over the events: nothing in them is stored, so nothing in them can go stale.

The same events give the same rows in whatever order, number of files and repetitions they came. What decides:

- **Place.** Events of one order stand in the order of `occurred_at`, then of `place` (the seq of a journal, the event id of
  Lean, the life cycle of a plain line). The first tag seen with an order id names the order; the journal's goes first.
- **Status.** An order that has ended stays ended, whatever working status is stamped later; of two ended statuses the later
  in `LIFECYCLE` stands (FILLED over a CANCELLED that lost the race). Only the correction of an execution reopens an order:
  what had ended before it no longer counts. Of working statuses the last stands, as PARTIALLY_FILLED once shares were
  filled. An order whose whole quantity was filled is FILLED, whatever was said.
- **Fills.** One per event of ours or Lean's; one per execution where execution ids are told, and of each its last correction
  (`….01.02` replaces `….01.01`, no shares in it is a bust). A source that counts an order's shares so far adds only what
  goes beyond the others' sum. A fill after a cancel counts.
- **Positions.** What the journal stated last (held at the start, held after a split, nothing after a delisting) and the fills
  since. NULL with a reason where nobody told what was held, or of splits and renames over the span of the fills.
"""

from workbench.words.order import ENDED, LIFECYCLE

WORDS = "[" + ", ".join(f"'{word}'" for word in LIFECYCLE) + "]"
ENDED_WORDS = "(" + ", ".join(f"'{word}'" for word in ENDED) + ")"
WHEN = "(epoch_us(occurred_at)::hugeint * 9223372036854775807 + place)"
JOURNAL_FIRST = f"((writer <> 'journal')::hugeint * 1329227995784915872903807060280344576 + {WHEN})"
FAMILY = r"regexp_replace(exec_id, '^(.+\..+\..+)\.[0-9]{2}$', '\1')"        # all of an IB execution id but its correction
CORRECTION = r"regexp_matches(exec_id, '^.+\..+\..+\.(0[2-9]|[1-9][0-9])$')"
NEW_YORK_DAY = "(occurred_at at time zone 'America/New_York')::date"

INTENTS = r"""
create view told_intents as          -- every intent that a file or a journal names, each perhaps more than once
select order_intent_id, symbol, instrument_id, side, order_type from intents
union all
select order_intent_id, null, null, null, null from events where order_intent_id is not null;

create view run_modes as
select run_id, mode from runs
union all
select run_id, any_value(json_extract_string(line, '$.mode')) from events
where kind = 'opened' and run_id not in (select run_id from runs) group by run_id;

create view counted_attempts as      -- a backtest counts its first attempt that was closed; paper and live count all
with told as (
    select run_id, attempt, bool_or(writer = 'journal') as journalled, bool_or(writer = 'journal' and kind = 'closed') as closed
    from events group by run_id, attempt
), first_told as (
    select run_id, bool_or(journalled) as journalled, min(attempt) as attempt,
           min(attempt) filter (where closed) as closed_attempt
    from told group by run_id
)
select t.run_id, t.attempt
from told t join first_told f using (run_id) left join run_modes m using (run_id)
where m.mode is distinct from 'backtest'
   or t.attempt = case when f.journalled then f.closed_attempt else f.attempt end;
"""

ORDERS = rf"""
create view order_events as          -- one row per order event; what Lean's file repeats of the journal is left out
with lost as (                       -- attempts in which a line names a tag and no order id: only they need a search
    select distinct run_id, attempt from events where kind = 'order' and order_id is null
), tags as (
    select run_id, attempt, order_id, arg_min(tag, {JOURNAL_FIRST}) as tag
    from events semi join lost using (run_id, attempt)
    where kind = 'order' and order_id is not null and tag <> '' group by all
), by_tag as (                       -- a tag that one order of the attempt carries, or an intent that one order serves
    select run_id, attempt, tag, any_value(order_id) as order_id from tags group by all having count(*) = 1
), by_intent as (
    select run_id, attempt, order_intent_id as tag, any_value(order_id) as order_id
    from tags join told_intents on order_intent_id = regexp_replace(tags.tag, '\.[0-9]+$', '')
    group by run_id, attempt, order_intent_id having count(distinct order_id) = 1
)
select e.* replace (coalesce(e.order_id, t.order_id, i.order_id, 'tag:' || nullif(e.tag, ''), '?' || e.identity) as order_id),
       {WHEN} as told_rank, {JOURNAL_FIRST} as seen_rank
from events e
left join by_tag t on t.run_id = e.run_id and t.attempt = e.attempt and t.tag = case when e.order_id is null then e.tag end
left join by_intent i on i.run_id = e.run_id and i.attempt = e.attempt and i.tag = case when e.order_id is null then e.tag end
where e.kind = 'order' and not e.repeats;

create view order_heads as           -- what an order is, apart from what became of it
with told as (
    select run_id, attempt, order_id, arg_min(nullif(tag, ''), seen_rank) as tag,
           arg_max(symbol, told_rank) as symbol, arg_max(instrument_id, told_rank) as instrument_id,
           arg_max(side, told_rank) as side, arg_max(quantity, told_rank) as quantity,
           arg_max(order_type, told_rank) as order_type, arg_max(limit_price, told_rank) as limit_price,
           arg_max(time_in_force, told_rank) as time_in_force, arg_max(nullif(broker_id, ''), told_rank) as broker_order_id,
           bool_or(event_id is not null) as in_lean
    from order_events group by all
), wanted as (
    select run_id, attempt, tag, any_value(symbol) as symbol, any_value(instrument_id) as instrument_id,
           any_value(quantity) as quantity
    from events where kind = 'sized' and tag is not null group by all
), asked as (                        -- what a tag may name: one order of an intent, or else an intent
    select run_id, tag, unnest([nullif(regexp_replace(tag, '\.[0-9]+$', ''), tag), tag]) as order_intent_id,
           unnest([1, 2]) as choice
    from (select distinct run_id, tag from events where kind = 'order' and tag <> '')
), named as (
    select run_id, tag, arg_min(order_intent_id, choice) as order_intent_id, arg_min(symbol, choice) as symbol,
           arg_min(instrument_id, choice) as instrument_id, arg_min(side, choice) as side,
           arg_min(order_type, choice) as order_type
    from asked join told_intents using (order_intent_id) group by run_id, tag
)
select t.run_id, t.attempt, t.order_id, t.tag as client_order_id, n.order_intent_id,
       coalesce(t.symbol, w.symbol, n.symbol) as symbol,
       coalesce(t.instrument_id, w.instrument_id, n.instrument_id) as instrument_id,
       coalesce(t.quantity, w.quantity) as quantity,
       case when coalesce(t.quantity, w.quantity) > 0 then 'BUY' when coalesce(t.quantity, w.quantity) < 0 then 'SELL'
            else coalesce(t.side, n.side) end as side,
       coalesce(t.order_type, n.order_type) as order_type, t.limit_price, t.time_in_force, t.broker_order_id, t.in_lean
from told t
left join wanted w using (run_id, attempt, tag)
left join named n using (run_id, tag);

create view executions as            -- the last correction of each execution, told once however often it was heard
with told as (
    select *, {FAMILY} as family,
           arg_max(fee, told_rank) over (partition by run_id, exec_id) as known_fee
    from order_events where exec_id is not null and filled is null
)
select * replace (known_fee as fee)
from told
qualify row_number() over (partition by run_id, family
                           order by exec_id desc, (fill_quantity <> 0) desc, attempt, told_rank, identity) = 1;

create view fills as
with told as (
    select run_id, attempt, order_id, writer, place, symbol, instrument_id, fill_quantity as quantity, fill_price as price, fee,
           arrival_price, arrival_source, occurred_at, inferred
    from order_events where fill_quantity <> 0 and exec_id is null and filled is null
    union all
    select run_id, attempt, order_id, writer, place, symbol, instrument_id, fill_quantity, fill_price, fee,
           arrival_price, arrival_source, occurred_at, inferred
    from executions where fill_quantity <> 0
), counts as (                       -- sources that count so far: the last price told for each count is its price
    select run_id, attempt, order_id, writer, filled, arg_max(fill_price, told_rank) as price, arg_max(fee, told_rank) as fee,
           min(occurred_at) as occurred_at, min(place) as place, bool_and(inferred) as inferred
    from order_events where filled > 0 group by run_id, attempt, order_id, writer, filled
), farthest as (
    select run_id, attempt, order_id, writer from counts
    qualify row_number() over (partition by run_id, attempt, order_id order by filled desc, writer) = 1
), steps as (
    select c.*, coalesce(lag(filled) over (partition by run_id, attempt, order_id order by filled), 0) as before
    from counts c semi join farthest using (run_id, attempt, order_id, writer)
), sums as (
    select run_id, attempt, order_id, abs(sum(quantity)) as filled
    from told semi join steps using (run_id, attempt, order_id) group by all
), beyond as (
    select s.run_id, s.attempt, s.order_id, s.writer, s.place, null::varchar as symbol, null::varchar as instrument_id,
           s.filled - greatest(s.before, coalesce(t.filled, 0)) as quantity, s.price, s.fee,
           null::decimal(38,12) as arrival_price, null::varchar as arrival_source, s.occurred_at, s.inferred
    from steps s left join sums t using (run_id, attempt, order_id)
    where s.filled > coalesce(t.filled, 0)
)
select f.run_id, f.attempt, f.order_id, h.client_order_id, h.order_intent_id, coalesce(f.symbol, h.symbol) as symbol,
       coalesce(f.instrument_id, h.instrument_id) as instrument_id,
       case when f.counted and h.side = 'SELL' then -f.quantity else f.quantity end as quantity, f.price, f.fee,
       f.arrival_price, f.arrival_source, f.occurred_at, f.inferred, f.writer, f.place,
       not f.counted or h.side is not null as sided
from (select *, false as counted from told union all select *, true from beyond) f
left join order_heads h using (run_id, attempt, order_id);

create view orders as
with filled as (
    select run_id, attempt, order_id, sum(quantity) as quantity, count(*) = count(fee) as fees_known, sum(fee) as fees,
           min(price) as low, max(price) as high,
           sum((quantity * 1000000000000)::hugeint * (price * 1000000000000)::hugeint) as notional24,
           (sum(quantity) * 1000000000000)::hugeint as quantity12, max(occurred_at) as last_at
    from fills group by all
), corrections as (
    select run_id, attempt, order_id, max(told_rank) as told_rank from order_events where {CORRECTION} group by all
), heard as (
    select e.run_id, e.attempt, e.order_id, max(e.occurred_at) as last_status_at,
           max(list_position({WORDS}, e.status)) filter (where e.status in {ENDED_WORDS} and stands) as ended,
           arg_max(e.status, e.told_rank) filter (where e.status not in {ENDED_WORDS}) as working
    from (select o.*, o.told_rank >= coalesce(c.told_rank, 0) as stands
          from order_events o left join corrections c using (run_id, attempt, order_id)) e
    group by all
)
select h.run_id, h.attempt, h.order_id, h.client_order_id, h.order_intent_id,
       case when h.in_lean then h.order_id end as lean_order_id, h.broker_order_id, h.symbol, h.instrument_id, h.side,
       h.order_type, h.time_in_force, h.limit_price, h.quantity,
       case when abs(f.quantity) >= abs(h.quantity) and h.quantity <> 0 then 'FILLED'
            when e.ended is not null then ({WORDS})[e.ended]
            when f.quantity <> 0 and e.working in ('NEW', 'PENDING_SUBMIT', 'SUBMITTED') then 'PARTIALLY_FILLED'
            else coalesce(e.working, 'UNKNOWN') end as status,
       coalesce(f.quantity, 0)::decimal(38,12) as filled_quantity,
       case when f.low = f.high then f.low     -- the sums are whole numbers of 1e-24 and 1e-12, so their quotient is exact
            when f.quantity12 <> 0 then (((2 * abs(f.notional24) + abs(f.quantity12)) // (2 * abs(f.quantity12)))::decimal(38,0)
                                         * 0.000000000001)::decimal(38,12) end as avg_fill_price,
       case when f.fees_known is null then 0 when f.fees_known then f.fees end::decimal(38,12) as fees,
       greatest(e.last_status_at, f.last_at) as last_status_at
from order_heads h
join heard e using (run_id, attempt, order_id)
left join filled f using (run_id, attempt, order_id);
"""

LINES = """
create view rebalances as
select run_id, attempt, seq, occurred_at, l.rebalance_date, l.equity, l.cash
from (select *, json_transform(line, '{"rebalance_date":"DATE","equity":"DECIMAL(38,12)","cash":"DECIMAL(38,12)"}') as l
      from events where kind = 'rebalance');

create view sized as
select s.run_id, s.attempt, s.seq, s.occurred_at, r.rebalance_date, s.tag as order_ref, s.order_intent_id, s.symbol,
       s.instrument_id, l.price, l.price_time, l.raw, l.target, l.held, s.quantity as "order"
from (select *, json_transform(line, '{"price":"DECIMAL(38,12)","price_time":"TIMESTAMPTZ","raw":"DECIMAL(38,12)",
                                      "target":"DECIMAL(38,12)","held":"DECIMAL(38,12)"}') as l
      from events where kind = 'sized') s
asof left join rebalances r on r.run_id = s.run_id and r.attempt = s.attempt and r.seq <= s.seq;

create view cuts as                  -- what each rule took from an order; NULL where it took no known number of shares
select c.run_id, c.attempt, c.seq, c.occurred_at, r.rebalance_date, c.kind, c.order_intent_id, c.symbol, l.rule, l.cut, l.detail
from (select *, json_transform(line, '{"rule":"VARCHAR","cut":"DECIMAL(38,12)","detail":"VARCHAR"}') as l
      from events where kind in ('capped', 'blocked', 'skipped')) c
asof left join rebalances r on r.run_id = c.run_id and r.attempt = c.attempt and r.seq <= c.seq;

create view marks as                 -- one row per symbol of a mark
select run_id, attempt, seq, occurred_at, equity, cash, p.symbol, p.instrument_id, p.close, p.quantity
from (select run_id, attempt, seq, occurred_at, l.equity, l.cash, unnest(l.positions) as p
      from (select *, json_transform(line, '{"equity":"DECIMAL(38,12)","cash":"DECIMAL(38,12)","positions":[
                {"symbol":"VARCHAR","instrument_id":"VARCHAR","close":"DECIMAL(38,12)","quantity":"DECIMAL(38,12)"}]}') as l
            from events where kind = 'mark'));

create view corporate_actions as
select run_id, attempt, seq, occurred_at, kind, symbol, instrument_id, l.factor, l.per_share, l.cash,
       case when kind in ('split', 'delisted') then l.old end as old_quantity,
       case when kind in ('split', 'delisted') then l.new end as new_quantity,
       case when kind = 'renamed' then json_extract_string(line, '$.old') end as old_symbol,
       case when kind = 'renamed' then json_extract_string(line, '$.new') end as new_symbol
from (select *, json_transform(line, '{"factor":"DECIMAL(38,12)","per_share":"DECIMAL(38,12)","cash":"DECIMAL(38,12)",
                                      "old":"DECIMAL(38,12)","new":"DECIMAL(38,12)"}') as l
      from events where kind in ('split', 'dividend', 'renamed', 'delisted'));
"""

HOLDINGS = rf"""
create macro positions_of(one) as table      -- of the attempts that count, as of the last that was heard; of all runs for null
with counted as not materialized (
    select * from events semi join counted_attempts using (run_id, attempt) where one is null or run_id = one
), actions as not materialized (
    select * from corporate_actions semi join counted_attempts using (run_id, attempt) where one is null or run_id = one
), names as (
    select run_id, symbol, max(instrument_id) as instrument_id
    from counted where symbol is not null and instrument_id is not null group by all
), traded as not materialized (
    select f.*, coalesce(f.instrument_id, n.instrument_id, f.symbol) as instrument
    from fills f semi join counted_attempts using (run_id, attempt) left join names n using (run_id, symbol)
    where one is null or f.run_id = one
), openings as not materialized (
    select run_id, attempt, seq, occurred_at,
           json_transform(line, '{{"holdings":"MAP(VARCHAR,DECIMAL(38,12))"}}').holdings as holdings
    from counted where kind = 'opened'
), opened as (
    select run_id, attempt, seq, occurred_at, unnest(map_keys(holdings)) as symbol, unnest(map_values(holdings)) as quantity
    from openings
), held as not materialized (
    select o.*, coalesce(n.instrument_id, o.symbol) as instrument from opened o left join names n using (run_id, symbol)
), listed as (
    select run_id, instrument, symbol, occurred_at from traded
    union all
    select run_id, instrument, symbol, occurred_at from held
    union all
    select run_id, instrument_id, coalesce(new_symbol, symbol), occurred_at
    from actions where kind <> 'dividend'
), assets as not materialized (
    select run_id, instrument, arg_max(symbol, occurred_at) as symbol from listed group by all
), statements as (                   -- what the journal said of each asset outright; at the start, not named is not held
    select o.run_id, a.instrument, o.attempt, o.seq, o.occurred_at, coalesce(h.quantity, 0) as quantity, 'opened' as kind
    from openings o join assets a using (run_id)
    left join held h on h.run_id = o.run_id and h.attempt = o.attempt and h.instrument = a.instrument
    union all
    select run_id, instrument_id, attempt, seq, occurred_at, case when kind = 'split' then new_quantity else 0 end, kind
    from actions where kind = 'delisted' or kind = 'split' and old_quantity <> new_quantity
), last_statements as not materialized (
    select *, max(occurred_at) filter (where kind = 'opened') over (partition by run_id, instrument) as opened_at
    from statements
    qualify row_number() over (partition by run_id, instrument order by attempt desc, seq desc) = 1
), journals as (
    select run_id, max(occurred_at) as heard_until from counted where writer = 'journal' group by all
), sums as (
    select a.run_id, a.instrument,
           coalesce(sum(t.quantity) filter (where s.kind is null or s.kind <> 'delisted' and case when t.writer = 'journal'
                    then (t.attempt, t.place) > (s.attempt, s.seq) else t.occurred_at > s.occurred_at end), 0) as quantity,
           max(t.occurred_at) as last_fill_at,
           min({NEW_YORK_DAY.replace("occurred_at", "t.occurred_at")}) as first_day,
           max({NEW_YORK_DAY.replace("occurred_at", "t.occurred_at")}) as last_day,
           coalesce(bool_and(t.sided), true) as sided,
           arg_max(t.writer, t.occurred_at) filter (where t.writer <> 'journal' and s.kind <> 'opened'
                   and t.occurred_at > s.opened_at and t.occurred_at <= s.occurred_at) as before_split
    from assets a
    left join traded t on t.run_id = a.run_id and t.instrument is not distinct from a.instrument
    left join last_statements s on s.run_id = a.run_id and s.instrument is not distinct from a.instrument
    group by all
), reasons as (
    select u.*, s.quantity as stated, j.heard_until,
           case when u.instrument is null then 'a fill names no instrument'
                when not u.sided then 'a fill''s side was not told'
                when j.heard_until is null and m.mode is distinct from 'backtest' then 'nobody told what was held at the start'
                when j.heard_until is null and u.first_day < u.last_day
                    then 'nobody told of splits and renames from ' || u.first_day || ' to ' || u.last_day
                when u.last_day > {NEW_YORK_DAY.replace("occurred_at", "j.heard_until")}
                    then 'nobody told of splits and renames after ' || {NEW_YORK_DAY.replace("occurred_at", "j.heard_until")}
                when u.before_split is not null then 'a fill that ' || u.before_split || ' told came before a split'
                end as reason
    from sums u
    left join last_statements s on s.run_id = u.run_id and s.instrument is not distinct from u.instrument
    left join journals j on j.run_id = u.run_id
    left join run_modes m on m.run_id = u.run_id
)
select r.run_id, a.symbol, nullif(r.instrument, case when r.instrument = a.symbol then a.symbol end) as instrument_id,
       case when r.reason is null then (coalesce(r.stated, 0) + r.quantity)::decimal(38,12) end as quantity, r.reason,
       greatest(r.heard_until, r.last_fill_at) as as_of
from reasons r join assets a on a.run_id = r.run_id and a.instrument is not distinct from r.instrument;

create view positions as
from positions_of(null);

create view run_intents as           -- what each run was to do: its decisions' intents, and the closes its algorithm added
with given as not materialized (
    select r.run_id, i.order_intent_id, i.snapshot_id, i.symbol, i.instrument_id, i.weight, i.quantity, i.snapshot_date,
           i.rebalance_date, i.decision_price, i.side, i.order_type, i.limit_price, i.source
    from (select run_id, unnest(snapshot_ids) as snapshot_id from runs) r join intents i using (snapshot_id)
), heard as (
    select e.run_id, e.order_intent_id, any_value(e.symbol) as symbol, max(e.instrument_id) as instrument_id,
           arg_min(r.rebalance_date, e.seq) as rebalance_date
    from (select * from events semi join counted_attempts using (run_id, attempt) where order_intent_id is not null) e
    asof left join rebalances r on r.run_id = e.run_id and r.attempt = e.attempt and r.seq <= e.seq
    group by all
), added as (
    select h.*, i.snapshot_id, i.weight, i.quantity, i.snapshot_date, i.decision_price, i.side, i.order_type, i.limit_price,
           coalesce(i.source, 'close') as source
    from heard h anti join given g using (run_id, order_intent_id)
    left join intents i on i.order_intent_id = h.order_intent_id
)
select * from given
union all by name
select run_id, order_intent_id, coalesce(snapshot_id, regexp_replace(order_intent_id, '-.*$', '')) as snapshot_id, symbol,
       instrument_id, case when source = 'close' then 0 else weight end::decimal(38,12) as weight, quantity, snapshot_date,
       rebalance_date, decision_price, coalesce(side, 'BUY') as side, order_type, limit_price, source
from added;

create view intent_orders as         -- each intent with its orders in each run, or what stands for them
select i.order_intent_id, i.snapshot_id, i.symbol, i.instrument_id, i.rebalance_date, i.weight, i.source, i.run_id,
       o.attempt, o.order_id, o.client_order_id, coalesce(o.side, i.side) as side,
       coalesce(o.order_type, i.order_type, p.order_type) as order_type,
       coalesce(o.quantity, 0)::decimal(38,12) as quantity,
       case when o.order_id is not null then o.status when s.run_id is null then 'NEW' end as status,
       coalesce(o.filled_quantity, 0)::decimal(38,12) as filled_quantity, o.avg_fill_price, o.fees, o.last_status_at
from run_intents i
left join (select * from orders semi join counted_attempts using (run_id, attempt)) o using (run_id, order_intent_id)
left join (select distinct run_id, order_intent_id from events semi join counted_attempts using (run_id, attempt)
           where kind in ('sized', 'blocked')) s using (run_id, order_intent_id)
left join runs r using (run_id)
left join params p using (params_id)
union all
select order_intent_id, snapshot_id, symbol, instrument_id, rebalance_date, weight, source, null, null, null, null, side,
       order_type, 0, 'NEW', 0, null, null, null
from intents anti join run_intents using (order_intent_id);
"""

VIEWS = INTENTS + ORDERS + LINES + HOLDINGS
