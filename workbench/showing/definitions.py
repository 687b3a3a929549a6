"""What each number in a report is: its formula and its convention, in the words of docs/measures.md."""

from dataclasses import dataclass

from workbench.judgement.performance import ENOUGH, SESSIONS_A_YEAR


@dataclass(frozen=True, slots=True)
class Definition:
    """A number by the name it has in the report. `source` is the document that says more."""

    name: str
    formula: str
    meaning: str
    source: str


# The rules that take from an order (docs/contracts.md §4), in words. A rule of an engine's own keeps its name.
RULES = {
    "blocked": "the symbol is on the blocked list", "stale": "its last real price is too old", "no_price": "it has no price",
    "no_equity": "the account is worth nothing", "absurd": "its weight is worth an absurd number of shares",
    "quantity": "the quantity is not a whole number of shares, or absurd", "allow_short": "short positions are not allowed",
    "max_weight": "the limit on one weight", "max_gross": "the limit on the gross",
    "max_turnover": "the limit on one-way turnover", "max_order_notional": "the limit on one order's dollars",
    "min_qty": "smaller than the smallest order",
    "price_collar_bps": "too far from the last price", "max_orders_per_minute": "the limit on orders a minute",
    "max_daily_loss": "the limit on a day's loss", "working_order": "an earlier order of the symbol had not ended",
    "refused_intent": "its intent was refused as it stood", "engine": "the engine refused it",
    "too_late": "its moment had passed", "stopped": "trading was stopped", "deadline": "the day's deadline had passed",
    "holdings_changed": "other shares are held than it was sized from", "not_adopted": "no open order at the broker is surely it",
    "not_cancelled": "it could not be cancelled in time",
}

WEIGHTS = (
    Definition("intended weight", "w*",
               "The fraction of the account's value that the decision wanted, signed. What is left of 1 is cash.",
               "docs/contracts.md §2"),
    Definition("filled weight", "w = shares · P_n ÷ value",
               "What was held at the mark: the close of the rebalance session. Cash is a weight like the others.",
               "docs/measures.md §5"),
    Definition("gap", "w − w*",
               "Filled less intended, in percentage points.", "docs/measures.md §5"),
    Definition("deviation", "½ Σ|w − w*|",
               "Over all symbols and cash. 0 is exact; with short positions it can exceed 100%.", "docs/measures.md §5"),
    Definition("cause", "Δw after one change",
               "Shares are revalued changing one thing at a time, in the order cash buffer, risk caps, whole lots, blocked or "
               "rejected, not filled, outside the plan, cost of fills, price drift, broker break. The changes sum to the gap "
               "exactly; another order would split it otherwise.", "docs/measures.md §6"),
    Definition("weight moved", "½ Σ|Δw|",
               "By cause, over all symbols and cash. Causes may undo each other, so these need not sum to the deviation.",
               "docs/measures.md §6"),
    Definition("turnover", "T* = ½ Σ|w* − w⁰|, T = ½ Σ|dollars filled| ÷ value",
               "One-way, without cash: intended from what was held before, and realised.", "docs/measures.md §5"),
    Definition("cash drag", "(w − w* of cash) · return of the target book",
               "Until the next mark; positive is return lost. Cash itself earns nothing.", "docs/measures.md §5"),
)
PRICES = (
    Definition("wanted", "Q",
               "Signed shares of the order before caps and blocks.", "docs/contracts.md §8"),
    Definition("ordered, sent, filled", "F = filled",
               "Signed shares: what sizing asked for after its cuts, what was accepted of it, what was traded up to the mark.",
               "docs/contracts.md §4"),
    Definition("unfilled", "|ordered − filled| · P_d",
               "In dollars at the decision price.", "docs/contracts.md §8"),
    Definition("decision", "P_d",
               "The raw close that the decision saw, brought to the basis of the rebalance date where a split or dividend lies "
               "between.", "docs/contracts.md §8"),
    Definition("arrival", "P_a",
               "The price when the order reached the market. The source stands with each fill.", "docs/contracts.md §8"),
    Definition("average", "P̄",
               "Mean price of the fills by shares. There is none where nothing was filled.", "docs/measures.md, notation"),
    Definition("close", "P_n",
               "The close of the rebalance session.", "docs/contracts.md §8"),
)
SHORTFALL = (
    Definition("implementation shortfall", "Q·(P_n − P_d) − [F·(P_n − P̄) − C]",
               "What a portfolio that trades all of Q at P_d, at once and free, gains more than the real one. Positive is "
               "cost. What was blocked or skipped counts as an order of which nothing was filled.", "docs/measures.md §1"),
    Definition("basis points", "10 000 · cost ÷ Σ|Q·P_d|",
               "Of what was wanted, at decision prices.", "docs/measures.md, notation"),
)
SPLITS = {
    "A": (
        Definition("delay", "F·(P_a − P_d)",
                   "From the decision to the market, for the shares filled (convention A, CFA).", "docs/measures.md §2"),
        Definition("execution", "F·(P̄ − P_a)",
                   "From the market's price to the fills.", "docs/measures.md §2"),
        Definition("opportunity", "(Q − F)·(P_n − P_d)",
                   "What the shares not filled did meanwhile.", "docs/measures.md §2"),
    ),
    "B": (
        Definition("delay", "Q·(P_a − P_d)",
                   "From the decision to the market, for all shares wanted (convention B, Kissell).", "docs/measures.md §2"),
        Definition("execution", "F·(P̄ − P_a)",
                   "From the market's price to the fills.", "docs/measures.md §2"),
        Definition("opportunity", "(Q − F)·(P_n − P_a)",
                   "What the shares not filled did after arrival.", "docs/measures.md §2"),
    ),
}
FEES = (
    Definition("fees", "C",
               "Those known. A fill whose fee is not known yet is counted as pending, and never as 0.", "docs/measures.md §2"),
)
ACCOUNT = (
    Definition("equity", "cash + Σ shares · close",
               "At each session's close, from the opening cash and what fills, fees, dividends and splits moved since.",
               "docs/measures.md §5"),
    Definition("drawdown", "value ÷ highest so far − 1",
               "At closes.", "docs/measures.md §5"),
    Definition("paper portfolio", "Σ w* · close ÷ P_d",
               "Each decision's weights held from its decision price to the next decision's, without cost; cash and dividends "
               "earn nothing.", "docs/measures.md §5"),
    Definition("tracking difference", "real return − paper return",
               "Over the same sessions.", "docs/measures.md §5"),
    Definition("annual figures", f"{SESSIONS_A_YEAR} sessions a year",
               f"Given from {ENOUGH} sessions on: return compounded, volatility and tracking error as sample deviations "
               f"· √{SESSIONS_A_YEAR}, Sharpe ratio at a risk-free rate of 0.", "docs/measures.md §5"),
    Definition("check", "residual",
               "What is left over of an identity where it is furthest from 0. It holds where that is within the tolerance.",
               "docs/measures.md §1, §6"),
)


def definitions(convention: str) -> tuple[tuple[str, tuple[Definition, ...]], ...]:
    """The definitions by group, with the split of the shortfall under this convention: A or B."""
    return (("Weights", WEIGHTS), ("Orders and prices", PRICES), ("Shortfall", SHORTFALL + SPLITS[convention] + FEES),
            ("Account", ACCOUNT))
