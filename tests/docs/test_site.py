"""The site as a reader sees it: every page in headless Chromium, on a screen and on a phone."""

import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ["chromium", "google-chrome", "chrome"])), None)
SEEN = """() => ({
    beyond: document.documentElement.scrollWidth - innerWidth,
    images: [...document.images].filter(image => !image.naturalWidth).map(image => image.src),
    wide: [...document.querySelectorAll("article img, article table")].filter(element =>
        element.getBoundingClientRect().width > innerWidth
        && !element.closest(".md-typeset__scrollwrap")).map(element => element.outerHTML),
    lines: [...document.querySelectorAll("article td")].filter(cell =>
        cell.getBoundingClientRect().height > 650).map(cell => cell.innerText),
})"""

playwright = pytest.importorskip("playwright.sync_api", reason="pip install '.[dev]'")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium"),
    pytest.mark.skipif(
        '"editable": true' in (distribution("metaug").read_text("direct_url.json") or ""),
        reason="mkdocstrings reads an installed package, not an editable one",
    ),
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, and its address."""
    folder = tmp_path_factory.mktemp("site")
    mkdocs = Path(sys.executable).parent / "mkdocs"  # by `-m`, Python would find the clone first
    build = [mkdocs, "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_and_are_complete(site, width):
    folder, address = site
    faults = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.on("response", lambda answer: answer.status < 400 or faults.append(answer.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        for file in sorted(folder.rglob("index.html")):
            name = file.parent.relative_to(folder).as_posix()
            page.goto(f"{address}/{name}/", wait_until="load")
            seen = page.evaluate(SEEN)
            faults += [f"{name}: {key} {value}" for key, value in seen.items() if value]
        browser.close()
    assert not faults
