"""What the tests in a browser share: a server for a site below a path, a window that keeps what goes wrong."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
"""The machine's own browser; Playwright is to bring none along."""
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
"""A phone's."""
HACKED = "window.hacked"
"""What hostile text would set if any of it were run."""
HOSTILE = f'<img src=x onerror="{HACKED}=1"><script>{HACKED}=1</script> "q" & {{{{ 7*7 }}}}'


def need_browser() -> None:
    """Leave out a module's tests, in one plain line, where there is no browser."""
    if not CHROMIUM:
        why = "LEFT OUT: no Chromium here, so nothing was tested in a browser; tip: apt-get install chromium"
        pytest.skip(why, allow_module_level=True)


class _Below(SimpleHTTPRequestHandler):
    """Serves a folder below a path, as hosts of project pages do: what is not there gets the site's own 404 page."""

    PATH = "/sub/path/"
    folder: Path
    protocol_version = "HTTP/1.1"  # keeps connections open

    def end_headers(self) -> None:
        if "/assets/" in self.path:
            self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        below = path.removeprefix(self.PATH)
        self.directory = str(self.folder)
        return super().translate_path(f"/{below}") if below != path else str(self.folder / "nowhere")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = (self.folder / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Served:
    """A site that stands below its host's root, at the address it was built for."""

    address: str
    output: Path
    """The built site."""
    root: Path
    """The checkout it was built from."""


@contextmanager
def serving(output: Path) -> Iterator[str]:
    """Serve a folder, which need not be there yet, on a free port; give the address."""
    handler = type("Handler", (_Below,), {"folder": output})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{_Below.PATH}"
        finally:
            server.shutdown()


class Visit:
    """Opens pages of a site in a browser window of its own, and keeps what goes wrong on them."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.pages: list[Page] = []
        self.faults: list[str] = []
        self.answers: list[Response] = []

    def __call__(self, path: str = "") -> Page:
        """Open a page, wait until its scripts have done their work, and return it."""
        page = self.context.new_page()
        self.pages.append(page)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._fault("error", str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", self._answer)
        page.goto(self.address + path)
        self.ready(page)
        return page

    def close(self) -> None:
        """Close all pages."""
        for page in self.pages:
            page.close()

    def ready(self, page: Page) -> None:
        """Wait until a page has started all that it starts."""
        page.wait_for_function(
            """() => document.readyState === "complete"
                && !document.querySelector("[data-widget]:not([data-ready]), #facets[hidden]")"""
        )

    def _console(self, said: ConsoleMessage) -> None:
        self._fault(f"console {said.type}", said.text, said.type in ("error", "warning"))

    def _failed(self, request: Request) -> None:
        # What is still on its way when a test leaves the page is aborted.
        left = "ERR_ABORTED" in str(request.failure)
        self._fault(f"failed ({request.failure})", request.url, not left)

    def _answer(self, answer: Response) -> None:
        self.answers.append(answer)
        self._fault(f"status {answer.status}", answer.url, answer.status >= 400)
        self._fault("elsewhere", answer.url, not answer.url.startswith((self.address, "data:", "blob:")))

    def _fault(self, kind: str, what: str, really: bool = True) -> None:
        if really:
            self.faults.append(f"{kind}: {what}")
