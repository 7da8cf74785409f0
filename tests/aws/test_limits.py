"""Limits for answers that are slow, endlessly paged, or too long."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.aws.answering import MARK, Answering
from tests.aws.hostile_server import (
    BODY,
    CHUNK,
    CHUNK_SIZE,
    ERROR,
    HEADERS,
    STATUS_LINE,
    UNTIL_CLOSED,
    endless,
    made,
    never,
    served,
    trickle,
    whole,
)
from tests.support.builders import a_plan
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.allowance import Allowance, within
from vpnmigrate.aws.call_threads import MOST_LEFT, CallThreads
from vpnmigrate.aws.describe import PAGES, pages
from vpnmigrate.aws.errors import NotSentError, UnexpectedAnswerError
from vpnmigrate.aws.session import Clients
from vpnmigrate.engine.call_limits import LimitedEc2, no_wait_check
from vpnmigrate.engine.ports import InFlight
from vpnmigrate.model.changes import AttachVpnGateway
from vpnmigrate.model.changes.base import InDoubt, Later, Performed
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.ec2 import VpcId, VpnGatewayId
from vpnmigrate.model.errors import AwsUnreadableError, InterruptedRunError

SOON = timedelta(seconds=1)
"""A limit short enough for a test."""
SENT = timedelta(seconds=4)
"""A limit after which a request was sent, on a busy machine too."""
LATE = 100.0
"""Seconds: more than any of these tests takes on a busy machine, less than without a limit."""
ATTACH = AttachVpnGateway(VpnGatewayId("vgw-1"), VpcId("vpc-1"))


def always(wait_check: Callable[[InFlight], str]) -> Callable[[], Callable[[InFlight], str]]:
    """Return *wait_check* for every call."""
    return lambda: wait_check


def call_threads() -> list[threading.Thread]:
    """Return the threads that make calls."""
    return [each for each in threading.enumerate() if each.name == "aws-call"]


def none_is_left() -> bool:
    """Return whether all call threads end within a time."""
    end = time.monotonic() + LATE
    while call_threads() and time.monotonic() < end:
        time.sleep(0.02)
    return not call_threads()


class TestASlowAnswer:
    @pytest.mark.parametrize(
        "start", [STATUS_LINE, HEADERS, BODY, UNTIL_CLOSED, CHUNK_SIZE, CHUNK, ERROR]
    )
    def test_that_trickles_is_unreadable(self, tmp_path: Path, start: bytes) -> None:
        """No byte is late enough for a time-out, and the read ends at its limit."""
        with served(lambda _action, _nth: trickle(start)) as server:
            began = time.monotonic()
            account = server.account(tmp_path)

            with pytest.raises(
                AwsUnreadableError, match=r"ec2:DescribeVpnGateways .* in full within 4 s"
            ):
                CallThreads().read(
                    "the observation", SENT, lambda: account.observe(a_plan()), no_wait_check
                )

            assert time.monotonic() - began < LATE
            assert none_is_left()  # its connection was closed, so its thread ends

    def test_of_sts_counts_too(self, tmp_path: Path) -> None:
        """The limit includes calls of STS."""
        with served(lambda _action, _nth: trickle(BODY)) as server:
            account = server.account(tmp_path)

            with pytest.raises(
                AwsUnreadableError, match=r"sts:GetCallerIdentity .* in full within 4 s"
            ):
                CallThreads().read("STS", SENT, account.identity, no_wait_check)

    def test_is_not_retried_by_an_abandoned_thread(self, tmp_path: Path) -> None:
        """Botocore does not retry an abandoned call."""
        with served(lambda _action, _nth: trickle(BODY)) as server:
            account = server.account(tmp_path)

            with pytest.raises(AwsUnreadableError):
                CallThreads().read(
                    "the observation",
                    SOON * LATE,
                    lambda: account.observe(a_plan()),
                    always(lambda _: "enough" if server.actions else ""),
                )

            assert none_is_left()
            assert server.actions == ["DescribeVpnGateways"]

    def test_opens_a_new_session(self) -> None:
        """The next call opens a new session and is not blocked by the abandoned one."""
        held_up, renewed = threading.Event(), threading.Event()
        opened: list[str] = []

        def open_session() -> Any:
            opened.append("session")
            if len(opened) == 1:
                held_up.wait(LATE)
            return Answering().session()

        clients = Clients(open_session)

        def renew() -> None:
            clients.renew()
            renewed.set()

        calls = CallThreads(renew=renew)
        with pytest.raises(AwsUnreadableError, match="credentials has not answered"):
            calls.read("who lends the credentials", SOON, lambda: clients.region, no_wait_check)

        assert renewed.is_set()
        assert calls.read("them", SOON * LATE, lambda: clients.region, no_wait_check) == "eu-west-1"
        held_up.set()
        assert none_is_left()

    def test_calls_the_hook_with_its_duration(self, tmp_path: Path) -> None:
        """The hook is called repeatedly during the wait."""
        heard: list[InFlight] = []

        def wait_check(call: InFlight) -> str:
            heard.append(call)
            return ""

        with served(lambda _action, _nth: trickle(BODY)) as server:
            account = server.account(tmp_path)
            with pytest.raises(AwsUnreadableError):
                CallThreads().read(
                    "the observation", SENT, lambda: account.observe(a_plan()), always(wait_check)
                )

        assert len(heard) > 1
        assert heard[-1].what == "ec2:DescribeVpnGateways"
        assert heard[-1].limit == SENT
        assert heard[0].waited < heard[-1].waited

    def test_is_abandoned_at_an_order(self, tmp_path: Path) -> None:
        """An order ends the wait within seconds, before the limit."""
        with served(lambda _action, _nth: never) as server:
            account = server.account(tmp_path)
            began = time.monotonic()

            with pytest.raises(AwsUnreadableError, match="stopped: the run is aborted by bob"):
                CallThreads().read(
                    "the observation",
                    timedelta(hours=1),
                    lambda: account.observe(a_plan()),
                    always(lambda _: "the run is aborted by bob"),
                )

            assert time.monotonic() - began < LATE

    def test_is_abandoned_by_an_exception_of_the_hook(self, tmp_path: Path) -> None:
        """An exception of the hook, for example for a signal, abandons the call."""

        def stop(_: InFlight) -> str:
            raise InterruptedRunError("SIGINT received")

        with served(lambda _action, _nth: never) as server:
            account = server.account(tmp_path)

            with pytest.raises(InterruptedRunError):
                CallThreads().read(
                    "it", timedelta(hours=1), lambda: account.observe(a_plan()), always(stop)
                )

            assert none_is_left()


class TestThreadsLeftBehind:
    def test_have_a_maximum_number(self) -> None:
        """At the maximum no further call starts, with a message; when one ends there is room."""
        stuck = threading.Event()
        calls = CallThreads()
        for _ in range(MOST_LEFT):
            with pytest.raises(AwsUnreadableError):
                calls.read(
                    "a name", SOON, lambda: stuck.wait(10 * LATE), always(lambda _: "enough")
                )
        began: list[str] = []

        with pytest.raises(AwsUnreadableError, match="was not requested: 8 abandoned calls"):
            calls.read("the observation", SOON, lambda: began.append("read"), no_wait_check)
        ((_, outcome),) = calls.send([lambda: Performed("req-1")], no_wait_check)

        assert isinstance(outcome, Later)
        assert "not sent: 8 abandoned calls have not ended" in outcome.why
        assert began == []
        stuck.set()
        assert none_is_left()
        assert calls.read("the observation", SOON * LATE, lambda: "seen", no_wait_check) == "seen"

    def test_do_not_keep_the_process(self) -> None:
        """Abandoned threads are daemons, so the process can exit."""
        stuck = threading.Event()
        with pytest.raises(AwsUnreadableError):
            CallThreads().read("it", SOON, lambda: stuck.wait(LATE), always(lambda _: "enough"))

        assert all(each.daemon for each in call_threads())
        stuck.set()

    def test_share_no_data_with_a_later_observation(self, tmp_path: Path) -> None:
        """An abandoned observation shares no data with the next one."""
        reading, go_on = threading.Event(), threading.Event()
        rows = [{"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": []}]

        def gateways(_: object) -> dict[str, object]:
            if not reading.is_set():
                reading.set()
                go_on.wait(LATE)
            return {"VpnGateways": rows}

        account = Account(
            made(Answering({"DescribeVpnGateways": gateways}).clients()),
            SteadyClock(),
            None,  # type: ignore[arg-type]  # no device file is written
        )
        calls = CallThreads()
        with pytest.raises(AwsUnreadableError):
            calls.read(
                "it",
                SOON * LATE,
                lambda: account.observe(a_plan()),
                always(lambda _: "enough" if reading.is_set() else ""),
            )

        seen = calls.read("it", SOON * LATE, lambda: account.observe(a_plan()), no_wait_check)
        go_on.set()

        assert [each.id for each in seen.gateways] == ["vgw-1"]
        assert none_is_left()
        assert account.observe(a_plan()).gateways == seen.gateways


class TestAChange:
    def test_without_an_answer_in_time_is_in_doubt_and_was_sent_once(self, tmp_path: Path) -> None:
        """A call without an answer in time is in doubt, and was sent once."""
        with served(lambda _action, _nth: trickle(BODY)) as server:
            account = server.account(tmp_path)
            calls = CallThreads(change_limit=SENT)

            ((_, outcome),) = calls.send([lambda: account.perform(ATTACH, MARK)], no_wait_check)

            assert isinstance(outcome, InDoubt)
            assert outcome.why.endswith("within 4 s")
            assert none_is_left()
            assert server.actions == ["AttachVpnGateway"]

    @pytest.mark.parametrize("nth", [1, 2])
    def test_that_was_not_sent_in_time_is_never_sent(self, nth: int) -> None:
        """A connection that is opened after the call was abandoned sends no request.

        Here the send guard blocks the call, as credentials or a slow name resolution would: before
        the connection is made, or when it is open.
        """
        held_up = threading.Event()
        asked: list[str] = []

        def hold_up() -> None:
            asked.append("?")
            if len(asked) == nth:
                held_up.wait(LATE)

        with served(lambda _action, _nth: whole()) as server:
            account = Account(
                server.clients(),
                SteadyClock(),
                None,  # type: ignore[arg-type]  # no device file is written
                hold_up,
            )
            calls = CallThreads(change_limit=SOON)

            ((_, outcome),) = calls.send([lambda: account.perform(ATTACH, MARK)], no_wait_check)
            held_up.set()

            assert isinstance(outcome, Later)
            assert none_is_left()
            assert server.actions == []

    def test_is_guarded_again_when_its_connection_is_open(self, tmp_path: Path) -> None:
        """Another process may have taken over the run while the connection was made."""
        asked: list[str] = []

        def taken_over() -> None:
            asked.append("?")
            if len(asked) == 2:
                raise InterruptedRunError("taken over")

        with served(lambda _action, _nth: whole()) as server:
            account = Account(
                server.clients(),
                SteadyClock(),
                None,  # type: ignore[arg-type]  # no device file is written
                taken_over,
            )

            with pytest.raises(InterruptedRunError):
                account.perform(ATTACH, MARK)

            assert server.actions == []

    def test_others_of_its_batch_are_answered(self, tmp_path: Path) -> None:
        """A hanging call blocks no other, and each answer has its index."""
        with served(lambda _action, nth: never if nth == 1 else whole()) as server:
            account = server.account(tmp_path)
            calls = CallThreads(2, change_limit=SENT)

            outcomes = dict(
                calls.send([lambda: account.perform(ATTACH, MARK) for _ in range(4)], no_wait_check)
            )

            kinds = sorted(type(each).__name__ for each in outcomes.values())
            assert set(outcomes) == {0, 1, 2, 3}
            assert kinds == ["InDoubt", "Performed", "Performed", "Performed"]

    def test_an_order_leaves_it_in_doubt_after_a_grace_and_begins_no_other(
        self, tmp_path: Path
    ) -> None:
        """An abort takes effect within seconds; calls not yet started are postponed."""
        with served(lambda _action, _nth: never) as server:
            account = server.account(tmp_path)
            began = time.monotonic()

            outcomes = dict(
                CallThreads(1).send(
                    [lambda: account.perform(ATTACH, MARK) for _ in range(2)],
                    always(lambda _: "the run is aborted by bob"),
                )
            )

            assert time.monotonic() - began < LATE
            assert outcomes[0] == InDoubt("the run is aborted by bob")
            assert isinstance(outcomes[1], Later)
            assert server.actions == ["AttachVpnGateway"]


class TestSize:
    @pytest.mark.parametrize(
        "head", ["", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n"]
    )
    def test_an_answer_without_end_is_an_unreadable_one(self, head: str) -> None:
        """An endless answer is read in pieces, up to the limit."""
        with served(lambda _action, _nth: endless(head)) as server:
            client = server.clients(answer_bytes=2**20).reader()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

            with pytest.raises(UnexpectedAnswerError, match="longer than 1,048,576 bytes"):
                client.describe_vpn_gateways()

            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown < 32 * 1024  # KiB
            assert server.actions == ["DescribeVpnGateways"]

    def test_an_observation_has_a_total_limit(self) -> None:
        """Many large pages of one observation have a limit too."""
        page = whole(f"<routeTableSet/><!--{'x' * 100_000}-->")
        with served(lambda _action, _nth: page) as server:
            client = server.clients().reader()
            allowance = Allowance(SOON * LATE, SOON * LATE, most=350_000)

            with within(allowance):
                for _ in range(3):
                    client.describe_route_tables()
                with pytest.raises(UnexpectedAnswerError, match="answers to one call"):
                    client.describe_route_tables()

    def test_an_endless_answer_to_an_observation_is_unreadable(self, tmp_path: Path) -> None:
        """The whole path: botocore, the observation, the limits of a run."""
        with served(lambda _action, _nth: endless()) as server:
            account = server.account(tmp_path)

            with pytest.raises(AwsUnreadableError, match="longer than 33,554,432 bytes"):
                account.observe(a_plan())


class TestPages:
    def test_are_read_to_the_last(self) -> None:
        """Every page is read, up to the limit."""
        found = list(pages(lambda **asked: _page(asked, last=PAGES - 1)))

        assert [each["n"] for each in found] == list(range(PAGES))

    def test_without_end_are_invalid(self) -> None:
        """Endless pages with different tokens are an invalid answer."""
        found = pages(lambda **asked: _page(asked, last=10**9))

        assert [next(found)["n"] for _ in range(PAGES)] == list(range(PAGES))
        with pytest.raises(UnexpectedAnswerError, match="more than 100 pages"):
            next(found)

    @pytest.mark.parametrize("circle", [1, 2, 5])
    def test_with_a_repeated_token_are_invalid(self, circle: int) -> None:
        """A repeated token, at once or later, is an invalid answer."""

        def ask(**asked: Any) -> dict[str, Any]:
            page = _page(asked, last=10**9)
            return {**page, "NextToken": str(int(page["NextToken"]) % circle)}

        with pytest.raises(UnexpectedAnswerError, match="repeats a page token"):
            list(pages(ask))

    @pytest.mark.parametrize(
        ("operation", "field", "list_"),
        [
            ("DescribeRouteTables", "NextToken", "RouteTables"),
            ("DescribeVirtualInterfaces", "nextToken", "virtualInterfaces"),
            (
                "DescribeDirectConnectGatewayAssociations",
                "nextToken",
                "directConnectGatewayAssociations",
            ),
            ("DescribeVpcs", "NextToken", "Vpcs"),
        ],
    )
    def test_of_every_list_have_the_limit(self, operation: str, field: str, list_: str) -> None:
        """Every list of a survey has the limit."""
        asked: list[int] = []

        def more(_: object) -> dict[str, object]:
            asked.append(1)
            return {list_: [], field: f"t{len(asked)}"}

        gateway = {"VpnGatewayId": "vgw-1", "State": "available", "AmazonSideAsn": 64512}
        gateway |= {"VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}
        answers = {
            "DescribeVpnGateways": {"VpnGateways": [gateway]},
            "GetCallerIdentity": {"Account": "123456789012"},
            operation: more,
        }
        account = Account(
            Answering(answers).clients(),  # type: ignore[arg-type]  # answers of several kinds
            SteadyClock(),
            None,  # type: ignore[arg-type]  # no device file is written
        )

        with suppress(AwsUnreadableError):
            account.survey(VpnGatewayId("vgw-1"))

        assert len(asked) == PAGES


def _page(asked: dict[str, Any], last: int) -> dict[str, Any]:
    number = int(asked.get("NextToken", -1)) + 1
    return {"n": number, **({} if number == last else {"NextToken": str(number)})}


class TestAnAllowance:
    def test_allows_no_request_after_its_time(self) -> None:
        """After its time to send, an allowance refuses every request."""
        with pytest.raises(NotSentError, match="not sent"):
            Allowance(SOON, -SOON).require_time()

    def test_is_of_one_thread(self) -> None:
        """Each thread has its own allowance, or none."""
        allowance = Allowance(SOON, SOON)
        allowance.leave()
        with served(lambda _action, _nth: whole()) as server:
            client = server.clients().reader()
            with within(allowance), pytest.raises(NotSentError):
                client.describe_vpn_gateways()

            assert client.describe_vpn_gateways()["VpnGateways"] == []
            assert server.actions == ["DescribeVpnGateways"]


def test_a_limited_account_is_asked_in_other_threads(tmp_path: Path) -> None:
    """Every read and change of the runner has limits."""
    with served(lambda _action, _nth: whole()) as server:
        account = server.account(tmp_path)
        ec2 = LimitedEc2(account, CallThreads(), no_wait_check)

        assert ec2.identity().account == "123456789012"
        assert ec2.observe(a_plan()).gateways == ()
        with pytest.raises(Exception, match="no virtual private gateway vgw-1"):
            ec2.survey(VpnGatewayId("vgw-1"))
