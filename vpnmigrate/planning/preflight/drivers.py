"""Preflight: the drivers of the devices."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.device_drivers import lacks_timer
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed


def changes_that_last_are_reported(survey: Survey, decisions: Decisions) -> Findings:
    """Check for devices that do not undo a change which cuts them off."""
    gateways = dict.fromkeys(c.customer_gateway for c in survey.living)
    drivers = {gateway: decisions.driver_of(gateway) for gateway in gateways}
    if found := [
        f"{gateway} ({driver}, {driver.platform})"
        for gateway, driver in drivers.items()
        if lacks_timer(driver)
    ]:
        yield Finding(
            "VPM-W114",
            "driver-without-timer",
            f"{listed(found)}: this platform has no timer that undoes an unconfirmed change",
            "Have a console at hand: a change that cuts off the device lasts.  The driver reads "
            "the state after each change and reports it.",
        )


def drivers_have_devices(survey: Survey, decisions: Decisions) -> Findings:
    """Check that each driver is that of a customer gateway: another name has no effect."""
    known = {c.customer_gateway for c in survey.living if c.customer_gateway}
    if unused := sorted(decisions.drivers.keys() - known - {"default"}):
        yield Finding(
            "VPM-W115",
            "driver-unused",
            f"drivers names {listed(unused)}, which no connection of {survey.gateway.id} uses",
            f"Name one of {listed(sorted(known))}, or default.  Without a driver an engineer does "
            "the work at a device.  A playbook for several gateways may name others.",
        )
