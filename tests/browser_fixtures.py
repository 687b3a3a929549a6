"""A real browser for tests: the system's Chromium, without a window, that keeps a list of everything it asks for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Opened:
    """A page, every address it asked for, and everything that went wrong on it."""

    page: Any
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, one at a time in a process. Skips, and says so, where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: nothing was seen of the page; install `chromium` to have it looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Opened]:
    """A page of its own, without cookies of another."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    found = Opened(page)
    page.on("request", lambda request: found.asked.append(request.url))
    page.on("websocket", lambda socket: found.asked.append(socket.url))
    page.on("pageerror", lambda error: found.wrong.append(str(error)))
    page.on("console", lambda message: found.wrong.append(message.text) if message.type == "error" else None)
    page.goto(address)
    yield found
    context.close()


def middle(locator: Any) -> tuple[float, float]:
    """The middle of what is drawn, in the page: plotly has a layer above its bars, so they are clicked by place."""
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
