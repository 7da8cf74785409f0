"""Headless Chromium: a page as elements, as pixels and as PDF."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL.Image import Image as Pixels
from PIL.Image import open as open_image

from tests.browser.devtools import FLAGS, PATIENCE, Page, typing_into

NAMED = "VPNMIGRATE_TEST_CHROMIUM"
"""Name of the program, if it is not a usual one."""
REQUIRED = "VPNMIGRATE_TEST_BROWSER"
"""Set to ``required`` by CI, where a missing browser is a failure."""
MISSING = (
    "no Chromium here to look at pages with. On Debian: sudo apt-get install chromium; "
    f"elsewhere name one: {NAMED}=/path/to/chrome"
)
DARK = "--blink-settings=preferredColorScheme=0"
"""Flag of a browser whose user prefers dark pages."""


def found() -> Path | None:
    """Return the path of a browser on this machine."""
    names = (os.environ.get(NAMED), "chromium", "chromium-browser", "google-chrome")
    return next((Path(p) for name in names if name and (p := shutil.which(name))), None)


class Chromium:
    """The browser, with a separate profile in *home*."""

    def __init__(self, program: Path, home: Path) -> None:
        self._program = program
        self._home = home

    @contextmanager
    def page(self, file: Path) -> Iterator[Page]:
        """Yield the page of *file*, for a test that types into it."""
        with typing_into(self._program, self._home) as page:
            page.open(file)
            yield page

    @contextmanager
    def served(self, url: str) -> Iterator[Page]:
        """Yield the page at *url*, which a server of this machine answers."""
        with typing_into(self._program, self._home) as page:
            page.open_url(url)
            yield page

    def dom(self, page: Path) -> str:
        """Return the page's elements as the browser parsed them."""
        return self._run(page, "--dump-dom")

    def painted(self, page: Path, width: int, height: int, *flags: str) -> Image:
        """Return the pixels of a window of this size; *flags* are the browser's."""
        file = self._home / "painted.png"
        self._run(page, f"--window-size={width},{height}", f"--screenshot={file}", *flags)
        return Image(file.read_bytes())

    def printed(self, page: Path) -> bytes:
        """Return the page as a PDF."""
        file = self._home / "printed.pdf"
        self._run(page, "--no-pdf-header-footer", f"--print-to-pdf={file}")
        return file.read_bytes()

    def _run(self, page: Path, *flags: str) -> str:
        profile = self._home / "profile"
        done = subprocess.run(
            [str(self._program), *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "LANG": "C.UTF-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Image:
    """Pixels of a PNG."""

    def __init__(self, data: bytes) -> None:
        self._pixels = open_image(BytesIO(data)).convert("RGB")
        self.width = self._pixels.width

    def column(self, x: int) -> set[object]:
        """Return the colours in a column of pixels."""
        return set(self._colours(self._pixels.crop((x, 0, x + 1, self._pixels.height))))

    def colours(self) -> Counter[object]:
        """Return the number of pixels of every colour."""
        return self._colours(self._pixels)

    def _colours(self, part: Pixels) -> Counter[object]:
        found = part.getcolors(maxcolors=part.width * part.height) or []
        return Counter({colour: number for number, colour in found})
