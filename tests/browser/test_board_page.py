"""The board of a campaign: over HTTP, and in a real browser."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest

from tests.browser.chromium import Chromium
from tests.support.fleet_status import fleet_status
from vpnmigrate.cli.fleet_board import board_server, listening
from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.report.board import board_values
from vpnmigrate.report.fleet import FleetStatus

EVIL = "<img src=x onerror='window.evil = 1'>"
QUICK = timedelta(milliseconds=50)


class Source:
    """A status that a test changes while pages are open."""

    def __init__(self, status: FleetStatus) -> None:
        self.status: FleetStatus | None = status

    def read(self) -> FleetStatus:
        if self.status is None:
            raise VpnMigrateError("the disk is gone")
        return self.status


@contextmanager
def served(source: Source) -> Iterator[int]:
    """Serve the board of *source*; yield its port."""
    server = board_server(source.read, QUICK)
    with listening(0) as place:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            yield place.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def asked(port: int, path: str = "/", method: str = "GET", **headers: str):
    """Yield the response to a request, whose connection is closed afterwards."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, headers=headers)
        with connection.getresponse() as response:
            yield response


def status_of(port: int, path: str = "/", method: str = "GET", **headers: str) -> int:
    with asked(port, path, method, **headers) as response:
        return int(response.status)


def states(*found: MemberState) -> dict[int, MemberState]:
    return dict(enumerate(found))


def test_the_board_is_read_only_and_answers_this_machine_alone() -> None:
    """A name that resolves to loopback is refused, and no answer can be kept or embedded."""
    source = Source(fleet_status(states(MemberState.WAITING, MemberState.WAITING)))
    with served(source) as port:
        with asked(port) as page:
            assert page.status == 200
            policy = page.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert page.headers["Cache-Control"] == "no-store"
            assert page.headers["Access-Control-Allow-Origin"] is None
        evil = {"Host": "evil.example"}
        assert [status_of(port, path, **evil) for path in ("/", "/events")] == [403, 403]
        local = [f"{name}:{port}" for name in ("localhost", "[::1]")]
        assert [status_of(port, Host=name) for name in local] == [200, 200]
        changes = ("POST", "PUT", "DELETE")
        assert [status_of(port, method=each) for each in changes] == [405, 405, 405]
        source.status = None
        while status_of(port) == 200:
            time.sleep(QUICK.total_seconds())
        with asked(port) as broken:
            assert (broken.status, broken.read()) == (503, b"the disk is gone\n")


def test_the_events_begin_with_everything_and_go_on_with_changes() -> None:
    """A page that connects again has missed nothing."""
    source = Source(fleet_status(states(MemberState.DONE, MemberState.STAGED, MemberState.DONE)))
    with served(source) as port, asked(port, "/events") as stream:
        first = _event(stream)
        source.status = fleet_status(states(*[MemberState.DONE] * 3))
        second = _event(stream)
        source.status = None
        third = _event(stream)

        assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert (first[0], first[1].count('"id"')) == ("status", 3)
    assert (second[0], second[1].count('"id"')) == ("status", 1)
    assert third == ("trouble", '"the disk is gone"')


def test_an_open_page_does_not_hold_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Its events end, and the operator's terminal shows no error."""
    source = Source(fleet_status(states(MemberState.WAITING, MemberState.DONE)))
    with ExitStack() as pages:
        with served(source) as port:
            stream = pages.enter_context(asked(port, "/events"))
            _event(stream)
        assert stream.read() == b""
    assert capsys.readouterr().err == ""


def _event(stream: http.client.HTTPResponse) -> tuple[str, str]:
    kind = stream.readline().decode().removeprefix("event: ").strip()
    data = stream.readline().decode().removeprefix("data: ").strip()
    stream.readline()
    return kind, data


def test_the_page_follows_the_campaign_and_the_keyboard(chromium: Chromium) -> None:
    """A changed state is shown and announced, a clock runs, and the slash key leads to search."""
    before = states(MemberState.DONE, MemberState.STAGED, MemberState.RUNNING)
    after = states(MemberState.DONE, MemberState.CUTOVER, MemberState.RUNNING)
    source = Source(fleet_status(before))
    with served(source) as port, chromium.served(f"http://127.0.0.1:{port}/") as page:
        row = "document.querySelector('[data-id=\"vgw-00000000000000001\"]')"
        assert page.value(f"{row}.cells[2].textContent") == "staged"
        assert page.value("document.querySelector('#members tbody tr').dataset.state") == "running"
        assert page.value("document.getElementById('down').hidden") is True

        source.status = fleet_status(after)
        _until(page, f"{row}.cells[2].textContent === 'cutover'")
        assert page.value("document.getElementById('news').textContent") == "site 1: cutover"
        down = "document.getElementById('down')"
        assert page.value(f"{down}.hidden") is False
        assert page.value(f"{down}.textContent") == "TRAFFIC IS DOWN at 1 member"
        assert page.value("document.querySelector('#members tbody tr').dataset.state") == "cutover"
        assert page.value(f"{row}.cells[3].textContent") == "NONE"
        lengths = [-3, 0, 59, 60, 142, 3600, 7325, 90061]
        as_text = [span(timedelta(seconds=each)) for each in lengths]
        assert page.value(f"{lengths}.map(length)") == as_text
        began = page.value(f"{row}.cells[4].textContent")
        assert began.startswith("1 min 1")
        _until(page, f"{row}.cells[4].textContent !== '{began}'")

        page.press("/", *"SITE 2")
        visible = "[...document.querySelectorAll('#members tbody tr')].filter(r => !r.hidden)"
        assert page.value(f"{visible}.map(r => r.dataset.id)") == ["vgw-00000000000000002"]
        assert page.value("document.getElementById('shown').textContent") == "1 of 3 members"
        page.press("Escape")
        assert len(page.value(f"{visible}.map(r => r.dataset.id)")) == 3
        page.press("Tab")
        assert page.value("document.activeElement.id") == "state"

        source.status = None
        _until(page, "document.getElementById('link').textContent.includes('CANNOT BE READ')")


def _until(page, expression: str) -> None:
    for _ in range(600):
        if page.value(expression):
            return
        time.sleep(0.05)
    pytest.fail(f"never: {expression}")


def test_an_open_wave_waits_for_nothing() -> None:
    """The reason that its end waits for is that of the next wave."""
    status = fleet_status(states(MemberState.RUNNING, MemberState.WAITING))
    open_wave, closed = board_values(status)["waves"]

    assert (open_wave["status"], open_wave["why"]) == ("open", "")
    assert (closed["status"], closed["why"]) == ("closed", "wave canary: 0 of 1 done")


def test_no_word_is_broken_in_a_narrow_window(chromium: Chromium) -> None:
    """States, traffic and waves are read at a glance; what a member waits for takes more lines."""
    shown = states(MemberState.RUNNING, MemberState.CUTOVER, MemberState.WAITING)
    source = Source(fleet_status(shown))
    lines = """[...document.querySelectorAll("thead th, #members td:nth-child(-n+4)")].map(cell => {
      const range = document.createRange(); range.selectNodeContents(cell);
      const tops = new Set([...range.getClientRects()].map(each => Math.round(each.top)));
      return [cell.textContent.trim().split(/[ -]/).length, tops.size, cell.textContent]; })
      .filter(([words, lines]) => lines > words)"""
    with served(source) as port, chromium.served(f"http://127.0.0.1:{port}/") as page:
        assert page.value(lines) == []


def test_a_thousand_runs_are_rendered_at_once(chromium: Chromium) -> None:
    """From the request to a complete table; names are text and never run."""
    kinds = list(MemberState)
    many = fleet_status({n: kinds[n % len(kinds)] for n in range(1_000)}, name=EVIL)
    with served(Source(many)) as port, chromium.served(f"http://127.0.0.1:{port}/") as page:
        spent = page.value("performance.getEntriesByType('navigation')[0].loadEventEnd")
        labelled = page.value(
            "[...document.querySelectorAll('table')].every(t => t.caption && "
            "[...t.querySelectorAll('thead th')].every(h => h.scope === 'col') && "
            "[...t.tBodies[0].rows].every(r => r.cells[0].scope === 'row'))"
        )
        assert page.value("document.querySelectorAll('#members tbody tr').length") == 1_000
        assert labelled is True
        assert page.value("window.evil") is None
        assert page.value("document.querySelectorAll('img').length") == 0
        assert EVIL in page.value("document.body.textContent")
    # A second on an idle machine; tests share theirs.
    assert 0 < spent < 10_000, spent
