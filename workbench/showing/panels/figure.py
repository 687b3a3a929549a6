"""A figure of plotly's in a notebook, whose drawing can be swapped for another one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly
import plotly.graph_objects as go
from traitlets import Unicode

from workbench.showing import pages

BUNDLE = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
Click = Callable[[str], None]


class Figure(go.FigureWidget):                                                         # type: ignore[misc]
    """A FigureWidget that takes whole figures. `carries` the plotly.js that all figures of a page share: one of them must."""

    _esm = pages.text("panels/figure.js")
    _bundle = Unicode().tag(sync=True)

    def __init__(self, *, carries: bool = False) -> None:
        super().__init__()
        self._config = {"displayModeBar": False, "responsive": True}
        if carries:
            self._bundle = BUNDLE.read_text(encoding="utf-8")

    def show_figure(self, figure: go.Figure, click: Click | None = None) -> None:
        """Draw another figure in place of this one. `click` gets the first of a clicked point's custom data."""
        self.data = ()
        self.layout = figure.layout
        self.add_traces(list(figure.data))
        if click is not None:
            shown: tuple[Any, ...] = self.data
            for trace in shown:
                trace.on_click(_first(click))
        # A page that opens later reads the widget's state, and plotly keeps there what the widget was made with: with nothing.
        state = self.to_plotly_json()
        self._widget_data, self._widget_layout = state["data"], state["layout"]


def _first(click: Click) -> Callable[..., None]:
    def clicked(trace: Any, points: Any, _: object) -> None:
        if points.point_inds and trace.customdata is not None:
            click(trace.customdata[points.point_inds[0]][0])
    return clicked
