"""A page in headless Chromium that a test types into, through the DevTools protocol."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vpnmigrate.local.readable import readable

PATIENCE = 240
"""Seconds; an idle machine takes two."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}
_TEXTS = {"Enter": "\r"}


class Page:
    """A page that is open in the browser."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._number = 0
        self._arrived = b""
        self._session = ""
        target = next(
            each
            for each in self._call("Target.getTargets")["targetInfos"]
            if each["type"] == "page"
        )
        attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]

    def open(self, file: Path) -> None:
        """Open *file* and wait until it is loaded."""
        self.open_url(file.as_uri())

    def open_url(self, url: str) -> None:
        """Open the page at *url* and wait until it is loaded."""
        self._call("Page.navigate", url=url)
        self.value(
            "new Promise(done => document.readyState === 'complete' ? done(1)"
            " : window.addEventListener('load', () => done(1)))"
        )

    def value(self, expression: str) -> Any:
        """Return the value of *expression* in the page."""
        found = self._call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press *keys*, one after the other: a name such as ``Tab``, or a letter."""
        for key in keys:
            text = _TEXTS.get(key, key if len(key) == 1 else "")
            # Codes of punctuation would be those of other keys, such as Delete.
            code = _KEYS.get(key, ord(key.upper()[0]) if key.isalnum() else 0)
            event = {"key": key, "windowsVirtualKeyCode": code}
            self._call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                **event,
                **({"text": text} if text else {}),
            )
            self._call("Input.dispatchKeyEvent", type="keyUp", **event)

    def _call(self, method: str, **params: Any) -> Any:
        self._number += 1
        call: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            call["sessionId"] = self._session
        os.write(self._write, json.dumps(call).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _message(self) -> Any:
        while b"\0" not in self._arrived:
            assert readable(self._read, PATIENCE), "the browser does not answer"
            piece = os.read(self._read, 65536)
            assert piece, "the browser has ended"
            self._arrived += piece
        message, _, self._arrived = self._arrived.partition(b"\0")
        return json.loads(message)


@contextmanager
def typing_into(program: Path, home: Path) -> Iterator[Page]:
    """Start *program* with a separate profile in *home*, and yield its page."""
    orders, write = os.pipe()
    read, answers = os.pipe()
    browser = subprocess.Popen(
        [
            *("bash", "-c", f'exec "$@" 3<&{orders} 4>&{answers}', "bash"),
            *(str(program), *FLAGS, "--remote-debugging-pipe"),
            *(f"--user-data-dir={home / 'profile'}", "about:blank"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        pass_fds=(orders, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(orders)
    os.close(answers)
    try:
        yield Page(read, write)
    finally:
        browser.terminate()
        browser.wait(PATIENCE)
        os.close(read)
        os.close(write)
