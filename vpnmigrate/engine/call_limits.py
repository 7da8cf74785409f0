"""Call limits: how long an AWS call may take, and what a run does meanwhile.

A look that was waited for no longer is an unreadable answer, and there is a next one.  Every limit
is one of the machine's time: that of a sandbox may pass more quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final, Protocol

from vpnmigrate.engine.ports import (
    Attend,
    Attendance,
    Calls,
    Ec2,
    Identity,
    NetworkPath,
    NetworkPaths,
    T,
)
from vpnmigrate.errors import AwsUnreadableError
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import CallTags, Outcome
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.model.survey import Survey

LOOK_LIMIT: Final = timedelta(seconds=90)
"""For a look with its pages and repeats: shorter than the consistency delay of two minutes, so
that whatever a look finds is news."""
IDENTITY_LIMIT: Final = timedelta(seconds=60)
"""For STS, with whoever lends the credentials."""
PATHS_LIMIT: Final = timedelta(seconds=30)
"""For two names: a resolver gives each up in ten to twenty seconds."""
SURVEY_LIMIT: Final = timedelta(minutes=3)
"""For the dozen calls of a survey: shorter than a gate waits for one (two consistency delays)."""
SLOW: Final = timedelta(seconds=5)
"""From here on somebody is told that AWS is slow; most looks take a second."""


class Reads(Protocol):
    """What of an account can be read (``ports.Ec2``, or ``aws.account.Reader``)."""

    def identity(self) -> Identity:
        """Return who we are."""
        ...

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Read widely."""
        ...

    def observe(self, plan: Plan) -> Reading:
        """Read narrowly."""
        ...


def unattended() -> Attend:
    """Let nobody attend: a signal ends the process, and there is no run to give orders to."""
    return lambda _in_flight: ""


class LimitedReader:
    """An account whose calls are waited for as *calls* does, while *attended* attends to a run."""

    def __init__(self, reader: Reads, calls: Calls, attended: Attendance = unattended) -> None:
        self._reader = reader
        self._calls = calls
        self._attended = attended

    def identity(self) -> Identity:
        """Return who we are, as ``ports.Ec2`` says."""
        return self._read("sts:GetCallerIdentity", IDENTITY_LIMIT, self._reader.identity)

    def survey(self, gateway: VpnGatewayId) -> Survey:
        """Read widely, as ``ports.Ec2`` says."""
        return self._read("the survey", SURVEY_LIMIT, lambda: self._reader.survey(gateway))

    def observe(self, plan: Plan) -> Reading:
        """Read narrowly, as ``ports.Ec2`` says."""
        return self._read("the look", LOOK_LIMIT, lambda: self._reader.observe(plan))

    def _read(self, what: str, limit: timedelta, work: Callable[[], T]) -> T:
        return self._calls.read(what, limit, work, self._attended)


class LimitedEc2(LimitedReader):
    """AWS as the runner sees it, with limits."""

    def __init__(self, ec2: Ec2, calls: Calls, attended: Attendance) -> None:
        super().__init__(ec2, calls, attended)
        self._ec2 = ec2

    def perform(self, change: AwsChange, mark: CallTags) -> Outcome:
        """Send *change* from this thread; ``Calls.send`` limits it."""
        return self._ec2.perform(change, mark)


class LimitedPaths:
    """This host's ways to AWS; a name that is slow to resolve counts as not found out."""

    def __init__(self, paths: NetworkPaths, calls: Calls, attended: Attendance) -> None:
        self._paths = paths
        self._calls = calls
        self._attended = attended

    def read(self) -> Sequence[NetworkPath]:
        """Return the ways, or one without an address where they take too long."""
        try:
            return self._calls.read(
                "the names of EC2 and STS", PATHS_LIMIT, self._paths.read, self._attended
            )
        except AwsUnreadableError:
            return (NetworkPath("EC2 and STS", (), ""),)


class DirectCalls:
    """Calls that are answered at once, by a model in this process: in order, and in this thread."""

    def read(self, what: str, limit: timedelta, work: Callable[[], T], attended: Attendance) -> T:
        """Return what *work* gives."""
        return work()

    def send(
        self, works: Sequence[Callable[[], Outcome]], attended: Attendance
    ) -> Iterator[tuple[int, Outcome]]:
        """Do one of *works* after the other."""
        for index, work in enumerate(works):
            yield index, work()
