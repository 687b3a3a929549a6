"""The sample market: five real stocks as a Lean data folder, from a package that is installed with the workbench.

`bokeh_sampledata.stocks` holds AAPL, IBM and MSFT (from 2000-03-01), GOOG (from 2004-08-19) and FB (from 2012-05-18), all to
2013-03-01: daily bars as traded and adjusted closes, from Quandl's WIKI prices, which their publisher put into the
public domain. Nothing in them is altered. What is odd about them:

- The adjusted closes know events after the data's end (AAPL and GOOG later split), so factors are scaled to end at 1.
- The adjusted closes put a dividend on the close of the ex-date, close / (close + dividend); Lean puts it on the close
  before. The cash is worked back to the cent and kept; adjusted prices differ from the package's by up to 0.2 %.
- MSFT's 3.08 of 2004-11-15 is a special dividend of 3.00 and the quarter's 0.08 in one.
- AAPL's fall by half on 2000-09-29 is a profit warning, not a split. `check` shows it as what it looks like.
- AAPL's low of 199.25 on 2010-05-06 was traded in the crash of that afternoon, with the close at 246.25.
- GOOG is the share that was called GOOGL from 2014 on; FB begins with the public offering.
- There is a bar for every session of each span, and none is out of its own range.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench import files
from workbench.errors import MissingTool
from workbench.market.adjustment import factor_file, from_adjusted
from workbench.market.bars import EQUITY, SCALE, Bars, daily_path, write_daily
from workbench.market.calendar import Calendar, read_calendar, write_market_hours
from workbench.market.corporate import FOREVER, MapFile, MapRow

if TYPE_CHECKING:
    import pandas as pd

EXCHANGES = {"AAPL": "Q", "FB": "Q", "GOOG": "Q", "IBM": "N", "MSFT": "Q"}
PACKAGE, OLDEST = "bokeh-sampledata", (2026, 1)     # before, adjusted closes had two decimals and volumes were adjusted
REMEDY = f"pip install '{PACKAGE}>={'.'.join(map(str, OLDEST))}'"
DECIMALS = 10       # of the adjusted closes, at the least

PROPERTIES = """\
market,symbol,type,description,quote_currency,contract_multiplier,minimum_price_variation,lot_size,market_ticker,\
minimum_order_size,price_magnifier,strike_multiplier
usa,[*],equity,,USD,1,0.01,1
"""

# What the Federal Reserve Bank of New York charged banks, percent a year, from each date on (that bank's announcements,
# the dates before 2003 to within a few days): the adjustment credit rate until 2003-01-08, the primary credit rate since.
# Lean takes it for the risk-free rate. Known to the end of 2025.
INTEREST_RATES = """\
1998-01-01,5.00 1998-10-15,4.75 1998-11-17,4.50 1999-08-24,4.75 1999-11-16,5.00 2000-02-02,5.25 2000-03-21,5.50
2000-05-19,6.00 2001-01-03,5.75 2001-01-04,5.50 2001-01-31,5.00 2001-03-20,4.50 2001-04-18,4.00 2001-05-15,3.50
2001-06-27,3.25 2001-08-21,3.00 2001-09-17,2.50 2001-10-02,2.00 2001-11-06,1.50 2001-12-11,1.25 2002-11-06,0.75
2003-01-09,2.25 2003-06-25,2.00 2004-06-30,2.25 2004-08-10,2.50 2004-09-21,2.75 2004-11-10,3.00 2004-12-14,3.25
2005-02-02,3.50 2005-03-22,3.75 2005-05-03,4.00 2005-06-30,4.25 2005-08-09,4.50 2005-09-20,4.75 2005-11-01,5.00
2005-12-13,5.25 2006-01-31,5.50 2006-03-28,5.75 2006-05-10,6.00 2006-06-29,6.25 2007-08-17,5.75 2007-09-18,5.25
2007-10-31,5.00 2007-12-11,4.75 2008-01-22,4.00 2008-01-30,3.50 2008-03-17,3.25 2008-03-18,2.50 2008-04-30,2.25
2008-10-08,1.75 2008-10-29,1.25 2008-12-16,0.50 2010-02-19,0.75 2015-12-17,1.00 2016-12-15,1.25 2017-03-16,1.50
2017-06-15,1.75 2017-12-14,2.00 2018-03-22,2.25 2018-06-14,2.50 2018-09-27,2.75 2018-12-20,3.00 2019-08-01,2.75
2019-09-19,2.50 2019-10-31,2.25 2020-03-04,1.75 2020-03-16,0.25 2022-03-17,0.50 2022-05-05,1.00 2022-06-16,1.75
2022-07-28,2.50 2022-09-22,3.25 2022-11-03,4.00 2022-12-15,4.50 2023-02-02,4.75 2023-03-23,5.00 2023-05-04,5.25
2023-07-27,5.50 2024-09-19,5.00 2024-11-08,4.75 2024-12-19,4.50 2025-09-18,4.25 2025-10-30,4.00 2025-12-11,3.75
"""


def write_sample(folder: Path | str) -> Path:
    """Write the five stocks as a Lean data folder; the same bytes each time. Returns the folder.

    Daily bars, map files from the first bar on, factor files whose splits and dividends are the true ones by Lean's
    rules, and the databases that Lean asks for: market hours 1998 to 2030, symbol properties, interest rates.
    """
    target = Path(folder)
    write_market_hours(target)
    write_databases(target)
    calendar = read_calendar(target)
    for ticker, exchange in EXCHANGES.items():
        _write_stock(target, ticker, exchange, calendar)
    return target


def write_databases(folder: Path) -> None:
    """Write the symbol properties of US equities and the interest rates, as Lean reads them."""
    files.write(folder / "symbol-properties" / "symbol-properties-database.csv", PROPERTIES)
    rows = "".join(f"{row}\n" for row in INTEREST_RATES.split())
    files.write(folder / "alternative" / "interest-rate" / "usa" / "interest-rate.csv", f"DATE,PCREDIT8\n{rows}")


def research_prices() -> "pd.DataFrame":
    """Adjusted closes of twenty US stocks, 1990-01-02 to 2022-12-28: index the sessions, a column a ticker, in dollars.

    From `skfolio`'s own dataset. For research alone: they know all later splits and dividends, have no opens or volumes, and
    are the survivors of 1990, so that nothing can be traded on them.
    """
    from skfolio.datasets import load_sp500_dataset

    prices: pd.DataFrame = load_sp500_dataset()
    return prices.rename_axis(index="session")


def _write_stock(folder: Path, ticker: str, exchange: str, calendar: Calendar) -> None:
    bars, adjusted = _stock(ticker)
    first = bars.days[0].item()
    changes = from_adjusted(bars, adjusted, decimals=DECIMALS, paid_on="after", where=ticker)
    known = MapFile(ticker.lower(), tuple(MapRow(day, ticker.lower(), exchange) for day in (first, FOREVER)))
    write_daily(daily_path(folder, ticker), ticker, bars)
    files.write(folder / EQUITY / "map_files" / f"{known.name}.csv", known.text())
    files.write(folder / EQUITY / "factor_files" / f"{known.name}.csv",
                factor_file(known.name, bars, changes, calendar).text())


def _stock(ticker: str) -> tuple[Bars, list[float]]:
    """A stock's bars as traded, and its adjusted closes."""
    table = _stocks()[ticker]
    prices = {name: np.rint(np.array(table[name]) * SCALE).astype(np.int64) for name in ("open", "high", "low", "close")}
    bars = Bars(days=np.array(table["date"], "datetime64[D]"), volume=np.array(table["volume"], np.int64), **prices)
    return bars, table["adj_close"]


def _stocks() -> dict[str, dict[str, Any]]:
    """The package's tables. Raises `MissingTool` where it is not installed, or too old to hold these prices."""
    try:
        _require_unadjusted(version(PACKAGE))
    except PackageNotFoundError:
        raise MissingTool(PACKAGE, REMEDY) from None
    from bokeh_sampledata import stocks

    return {ticker: getattr(stocks, ticker) for ticker in EXCHANGES}


def _require_unadjusted(installed: str) -> None:
    if tuple(int(part) for part in installed.split(".")[:2]) < OLDEST:
        raise MissingTool(f"{PACKAGE} with unadjusted prices", REMEDY)
