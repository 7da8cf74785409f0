"""Headless Chromium: a page as elements, as pixels and as PDF."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
_PNG = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}
"""Bytes per pixel by PNG's colour type: RGB, and RGB with alpha."""


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
    """Pixels of a PNG as Chromium writes it: eight bits per channel, not interlaced."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(_PNG)
        chunks = dict(_chunks(data))
        self.width, self.height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
        assert depth == 8
        self._step = _CHANNELS[kind]
        self._rows = list(self._unfiltered(zlib.decompress(chunks[b"IDAT"])))

    def column(self, x: int) -> set[tuple[int, ...]]:
        """Return the colours in a column of pixels."""
        at = x * self._step
        return {tuple(row[at : at + 3]) for row in self._rows}

    def colours(self) -> Counter[tuple[int, ...]]:
        """Return the count of every colour in every second pixel."""
        step = self._step
        return Counter(
            tuple(row[at : at + 3])
            for row in self._rows[::2]
            for at in range(0, self.width * step, 2 * step)
        )

    def _unfiltered(self, raw: bytes) -> list[bytearray]:
        length = self.width * self._step
        rows: list[bytearray] = []
        above = bytearray(length)
        for start in range(0, len(raw), length + 1):
            row = bytearray(raw[start + 1 : start + 1 + length])
            _undo(raw[start], row, above, self._step)
            rows.append(row)
            above = row
        return rows


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the chunks, joined by kind."""
    found: dict[bytes, bytes] = {}
    at = len(_PNG)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        found[kind] = found.get(kind, b"") + data[at + 8 : at + 8 + length]
        at += length + 12
    return list(found.items())


def _undo(kind: int, row: bytearray, above: bytearray, step: int) -> None:
    """Return a row without its filter (PNG, chapter 9)."""
    for at in range(len(row)):
        left = row[at - step] if at >= step else 0
        up = above[at]
        corner = above[at - step] if at >= step else 0
        row[at] = (row[at] + _predicted(kind, left, up, corner)) & 0xFF


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        return min((left, up, corner), key=lambda each: abs(guess - each))
    return (0, left, up, (left + up) // 2)[kind]
