"""Start `ebm` with a live page, and open that page in headless Chromium. Shared by scripts/live-test and live-shots.

Needs Chromium (Debian: `apt-get install --no-install-recommends chromium`) and Python's `playwright`, without a browser
of its own (`pip install playwright`).
"""
import contextlib, os, re, shutil, signal, subprocess, sys, tempfile, threading
from pathlib import Path

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sys.exit("error: playwright is missing; `pip install playwright` installs it (no browser is downloaded)")

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE_S = 120


def chromium():
    """The installed Chromium."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    for path in filter(None, found):
        return path
    sys.exit("error: Chromium is missing; on Debian `apt-get install --no-install-recommends chromium` installs it")


class Server:
    """A process of `ebm` that serves a page."""

    def __init__(self, *words):
        self.lines, self._url, self._known = [], None, threading.Event()
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            found = re.search(r"http://[\w.:\[\]-]+/\S*", line)
            if found and not self._url:
                self._url = found.group()
                self._known.set()
        self._known.set()

    @property
    def url(self):
        """The address that was printed."""
        if not self._known.wait(PATIENCE_S) or not self._url:
            raise AssertionError("no address was printed:\n" + self.said)
        return self._url

    @property
    def said(self):
        return "\n".join(self.lines[-40:])

    def wait(self):
        """The exit code, once the process has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def interrupt(self):
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Watcher:
    """What a page must not do: say errors, lose requests, ask another origin."""

    def __init__(self, origin):
        self.origin, self.problems, self.requests, self.server_may_be_gone = origin, [], [], False

    def watch(self, page):
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}\n{error.stack}"))
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def _console(self, message):
        lost = message.text.startswith("Failed to load resource: net::ERR_")
        if message.type in ("error", "warning") and not (lost and self.server_may_be_gone):
            self.problems.append(f"console: {message.text}")

    def _request(self, request):
        self.requests.append(request.url)
        if not request.url.startswith((self.origin, "data:", f"blob:{self.origin}")):
            self.problems.append(f"request to elsewhere: {request.url}")

    def _failed(self, request):
        # A poll that is given up, of a tab that is hidden or closed, is none that failed.
        if request.failure != "net::ERR_ABORTED" and not self.server_may_be_gone:
            self.problems.append(f"failed: {request.url}: {request.failure}")

    def _response(self, response):
        if response.status >= 400:
            self.problems.append(f"status {response.status}: {response.url}")


@contextlib.contextmanager
def browser(**options):
    """A browser with nothing in it; `options` are those of Playwright's contexts."""
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium(), args=FLAGS, headless=True, **options)
        context.set_default_timeout(1000 * PATIENCE_S)
        try:
            yield context
        finally:
            context.close()


def binary(named):
    """The program to run: named, or `EBM`, or that of a release build."""
    path = Path(named or os.environ.get("EBM") or "target/release/ebm").resolve()
    return path if path.exists() else sys.exit(f"error: {path} is missing; `cargo build --release` makes it")


def number_in(selector, pattern, missing=0):
    """JavaScript that reads a whole number, thin spaces and all, in a text; `missing` where the pattern does not match."""
    found = f"(document.querySelector('{selector}').innerText.match(/{pattern}/) ?? [0, '{missing}'])[1]"
    return f"Number({found}.replace(/\\D/g, ''))"


def stroke(page, selector, *points):
    """Draw over an element, through points given as shares of its width and height."""
    page.locator(selector).hover()  # once it has come to rest
    box = page.locator(selector).bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point, steps=12)
    page.mouse.up()
