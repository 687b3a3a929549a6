"""When orders of each type are sent on their day, and until when it still makes sense. New York's wall clock throughout.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder.
"""

from datetime import date, datetime, time, timedelta

MOMENTS = {"MOO": time(9, 0), "MKT": time(10, 0), "LMT": time(10, 0)}       # MOC goes by that day's close
BEFORE_CLOSE = timedelta(minutes=30)
OPEN = time(9, 30)
LAST_FOR_THE_OPEN = time(9, 28)     # Lean's model of Interactive Brokers refuses a market-on-open order from 09:28 on
LAST_BEFORE_CLOSE = {"MOC": timedelta(minutes=15, seconds=30),      # Lean's own buffer
                     "MKT": timedelta(minutes=5), "LMT": timedelta(minutes=5)}
AFTER_CLOSE = timedelta(minutes=15)


def due(order_type: str, day: date, close: datetime) -> datetime:
    """When orders of a type are sent on a day with this close."""
    return close - BEFORE_CLOSE if order_type == "MOC" else datetime.combine(day, MOMENTS[order_type])


def latest(order_type: str, day: date, close: datetime) -> datetime:
    """From when on an order of a type is no longer sent that day."""
    if order_type == "MOO":
        return datetime.combine(day, LAST_FOR_THE_OPEN)
    return close - LAST_BEFORE_CLOSE[order_type]


def opening(day: date) -> datetime:
    """When a session opens."""
    return datetime.combine(day, OPEN)


def last_wait(close: datetime) -> datetime:
    """Until when orders are waited for, where nothing else is asked."""
    return close + AFTER_CLOSE
