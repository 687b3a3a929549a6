"""A panel to click through a reconciliation: a date, its weights and why they differ, a symbol's orders and what was heard.

State and a view: it is given values and callables, opens no database, and computes nothing.
"""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import ipywidgets as widgets

from workbench.errors import WorkbenchError
from workbench.judgement.rebalance import Judged
from workbench.judgement.reconciliation import Reconciliation
from workbench.showing import charts, numerals, pages
from workbench.showing.panels.figure import Figure
from workbench.words.event import Event

TEMPLATE = "panels/reconciliation.html.jinja"
EMPTY = "Nothing has been run yet. Record decisions with `workbench decide`, and trade them with `workbench run`."

Load = Callable[[str, date], Reconciliation]
Hear = Callable[[str, str], Sequence[Event]]


class ReconciliationPanel:
    """Shows one rebalance date of one strategy; choosing another loads it.

    `load(strategy, date)` gives a reconciliation that has the date, `strategies_and_dates` what can be chosen, and
    `events(run_id, order_id)` what was heard of an order; without it orders are shown without events. An error in loading
    is shown where the numbers would be, and the numbers are not.
    """

    def __init__(self, load: Load, strategies_and_dates: Mapping[str, Iterable[date]], *, events: Hear | None = None) -> None:
        self._load, self._events = load, events
        self._dates = {strategy: tuple(sorted(dates)) for strategy, dates in strategies_and_dates.items() if dates}
        self.judged: Judged | None = None
        self.run_id: str | None = None
        self.strategy = _choice("Strategy", list(self._dates))
        self.date, self.symbol = _choice("Rebalance date"), _choice("Symbol")
        self.message, self.summary, self.orders = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.weights, self.gaps, self.waterfall = Figure(carries=True), Figure(), Figure()
        self.view = self._compose()
        self.strategy.observe(self._choose_strategy, "value")
        self.date.observe(self._choose_date, "value")
        self.symbol.observe(self._choose_symbol, "value")
        if self._dates:
            self._choose_strategy()
        else:
            self._refuse(f"<p>{html.escape(EMPTY)}</p>")

    def __repr__(self) -> str:
        return f"ReconciliationPanel({self.strategy.value or 'nothing run'}, {self.date.value}, {self.symbol.value})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.view._repr_mimebundle_(**options)

    def _compose(self) -> Any:
        """The widgets in their places."""
        style = widgets.HTML(f"<style>{pages.text('panels/reconciliation.css')}</style>", layout={"height": "0"})
        half = {"width": "50%", "min_width": "420px", "flex": "1 1 420px"}
        figures = widgets.HBox([widgets.VBox([_title("Intended against filled weights"), self.weights], layout=half),
                                widgets.VBox([_title("Why they differ, by cause"), self.gaps], layout=half)],
                               layout={"flex_flow": "row wrap"})
        self.steps = widgets.VBox([self.waterfall])
        one = _title("One symbol: from the intended to the filled weight, and its orders")
        self.body = widgets.VBox([self.summary, figures, one, widgets.HBox([self.symbol]), self.steps, self.orders])
        view = widgets.VBox([style, widgets.HBox([self.strategy, self.date]), self.message, self.body])
        view.add_class("wb-panel")
        return view

    def _choose_strategy(self, _: object = None) -> None:
        """The strategy's dates, the last of them chosen."""
        days = self._dates[self.strategy.value]
        _offer(self.date, [(numerals.day(day), day) for day in days], days[-1], self._choose_date)

    def _choose_date(self, _: object = None) -> None:
        """Load the date and draw it. What was shown goes first, so that nothing old stands under a new name."""
        self._clear()
        try:
            reconciliation = self._load(self.strategy.value, self.date.value)
            judged = reconciliation.date(self.date.value)
        except Exception as error:
            self._refuse(_failure(error))
            if not isinstance(error, WorkbenchError):
                raise
            return
        self.judged, self.run_id = judged, reconciliation.run_id
        self.body.layout.display = ""                   # before anything is drawn: in what is hidden, figures have no width
        self.summary.value = str(pages.template(TEMPLATE).module.summary(judged))     # type: ignore[attr-defined]
        self.weights.show_figure(charts.draw_weights(judged), self._click)
        self.gaps.show_figure(charts.draw_gaps(judged), self._click)
        held = [gap.symbol for gap in judged.waterfall.every] if judged.waterfall is not None else []
        symbols = list(dict.fromkeys([row.symbol for row in judged.rows] + held))
        kept = self.symbol.value if self.symbol.value in symbols else next(iter(symbols), None)
        _offer(self.symbol, symbols, kept, self._choose_symbol)

    def _click(self, symbol: str) -> None:
        """A bar or a dot was clicked: its symbol is chosen."""
        self.symbol.value = symbol

    def _choose_symbol(self, _: object = None) -> None:
        """The chosen symbol's waterfall, orders and events."""
        if self.judged is None:
            return
        every = self.judged.waterfall.every if self.judged.waterfall is not None else ()
        gaps = [gap for gap in every if gap.symbol == self.symbol.value]
        self.steps.layout.display = "" if gaps else "none"
        if gaps:
            self.waterfall.show_figure(charts.draw_waterfall(gaps[0]))
        rows = [row for row in self.judged.rows if row.symbol == self.symbol.value]
        try:
            events = self._heard(order_id for row in rows for order_id in row.order_ids)
        except Exception as error:
            self.orders.value = _failure(error)
            if not isinstance(error, WorkbenchError):
                raise
            return
        shown = pages.template(TEMPLATE).module.orders(self.symbol.value, rows, events)       # type: ignore[attr-defined]
        self.orders.value = str(shown)

    def _heard(self, order_ids: Iterable[str]) -> list[Event]:
        if self._events is None or self.run_id is None:
            return []
        return [event for order_id in order_ids for event in self._events(self.run_id, order_id)]

    def _clear(self) -> None:
        """Nothing is shown."""
        self.judged = self.run_id = None
        for text in (self.message, self.summary, self.orders):
            text.value = ""
        for figure in (self.weights, self.gaps, self.waterfall):
            figure.data = ()

    def _refuse(self, message: str) -> None:
        """A message, and nothing else."""
        self.message.value = message
        self.body.layout.display = "none"


def _choice(name: str, options: Sequence[Any] = ()) -> Any:
    return widgets.Dropdown(description=name, options=options, style={"description_width": "initial"}, layout={"width": "auto"})


def _offer(choice: Any, options: list[Any], value: Any, chosen: Callable[..., None]) -> None:
    """Other options with one of them chosen: told once, also where the value is the same as before."""
    choice.unobserve(chosen, "value")
    choice.options = options
    choice.value = value
    choice.observe(chosen, "value")
    chosen()


def _failure(error: Exception) -> str:
    return str(pages.template(TEMPLATE).module.failure(type(error).__name__, str(error)))      # type: ignore[attr-defined]


def _title(text: str) -> Any:
    return widgets.HTML(f"<h3>{text}</h3>")
