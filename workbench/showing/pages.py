"""The templates of everything that is HTML, with the one way of writing numbers. Whatever comes from data is escaped."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.showing import numerals
from workbench.showing.definitions import RULES

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

HERE = Path(__file__).parent
WRITTEN = {name: getattr(numerals, name) for name in ("ago", "bps", "change", "day", "dollars", "exact", "moment", "percent",
                                                      "plain", "price", "ratio", "shares")}


@cache
def template(name: str) -> "Template":
    """A template of this room by its path in it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    environment.globals.update(WRITTEN, rule_words=RULES)
    environment.filters["subscripts"] = _subscripts
    return environment.get_template(name)


@cache
def text(name: str) -> str:
    """A file of this room that stands in a page as it is: a style or a script."""
    return (HERE / name).read_text(encoding="utf-8")


def _subscripts(formula: str) -> "Markup":
    """A formula's P_d, P_a and P_n with their letters set low."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"P_([adn])", r"P<sub>\1</sub>", str(escape(formula))))
