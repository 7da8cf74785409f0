"""Plans with their rehearsals, and the runbooks made from them."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.support.builders import (
    MIGRATION,
    NOON,
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_proof,
    a_survey,
)
from vpnmigrate.cli.commands.runbook import engineer_pages
from vpnmigrate.journal.timing import StepTiming
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import (
    PROPAGATED_ROUTE,
    AssociationRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
)
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.rehearsal.rehearse import BOUNDARIES, Rehearsal, RehearsalRun
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.content import FilledIn
from vpnmigrate.report.runbook.render import html
from vpnmigrate.report.runbook.schedule import schedule_of

EVIL = "<script>alert('x')</script> | `id` [a](b) *c*\n# d ```"


def a_rehearsal():
    """Return a rehearsal: 90 seconds forward, two minutes of rollback."""
    forward = tuple(
        StepTiming(
            n, cleaning=False, begun=timedelta(seconds=30 * n), settled=timedelta(seconds=30 * n)
        )
        for n in range(1, 11)
    )
    return Rehearsal(
        RehearsalRun(
            0,
            (),
            timedelta(seconds=90),
            timedelta(minutes=5),
            timings=forward,
            cutover=timedelta(minutes=2),
        ),
        tuple(
            RehearsalRun(n, (), timedelta(minutes=3), timedelta(minutes=4), timedelta(minutes=n))
            for n in BOUNDARIES
        ),
        a_proof(),
    )


def a_plan(decisions=None, **survey):
    """Return the standard plan with changed parts of its survey."""
    return plan_from(
        a_survey(**survey),
        decisions or Decisions(),
        "standard",
        migration=MIGRATION,
        made=NOON,
        tool="test",
    )


def a_book(decisions=None, **survey):
    """Return the runbook of such a plan."""
    return runbook_of(a_plan(decisions, **survey), a_rehearsal(), "plan.json", Invocation())


def a_page(plan, rehearsal=None):
    """Return the page of the runbook of *plan*."""
    rehearsal = rehearsal or a_rehearsal()
    return html(a_book_of(plan, rehearsal), plan, schedule_of(plan, rehearsal))


def a_book_of(plan, rehearsal=None):
    """Return the runbook of *plan*, with a page for each engineer."""
    filled = FilledIn(engineers=engineer_pages(plan, Invocation()))
    return runbook_of(plan, rehearsal or a_rehearsal(), "plan.json", Invocation(), filled)


def an_evil_plan():
    """Return a plan of an account in which every text is an injection attack."""
    evil = {"Name": EVIL, EVIL[:100]: EVIL}
    return a_plan(
        gateway=a_gateway(tags=evil),
        connections=(a_connection(tags=evil),),
        customer_gateways=(replace(a_customer_gateway(), tags=evil, device_name=EVIL),),
    )


def a_large_plan():
    """Return a plan with ten connections and sixty tables, the most that a picture holds."""
    numbers = range(1, 11)
    return a_plan(
        connections=tuple(
            a_connection(
                f"vpn-{n:017x}",
                customer_gateway=f"cgw-{n:017x}",
                prefixes=[f"192.168.{n}.0/24"] if n % 2 else None,
                tags={"Name": f"site {n}"},
            )
            for n in numbers
        ),
        customer_gateways=tuple(
            replace(a_customer_gateway(f"cgw-{n:017x}"), ip=f"203.0.113.{n}") for n in numbers
        ),
        route_tables=tuple(_a_table(n) for n in range(60)),
    )


def _a_table(number):
    propagates = number % 2 == 0
    static = [RouteRecord(f"10.{number}.0.0/16", OLD)] if number % 3 == 0 else []
    taken = [RouteRecord("10.1.0.0/16", OLD, PROPAGATED_ROUTE)] if propagates else []
    return RouteTableRecord(
        RouteTableId(f"rtb-{number:017x}"),
        VPC,
        associations=(AssociationRecord(f"rtbassoc-{number}", main=number == 0),),
        propagating=(OLD,) if propagates else (),
        routes=(*static, *taken),
    )
