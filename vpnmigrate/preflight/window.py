"""Checks of the change window against what has to fit into it."""

from __future__ import annotations

from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings
from vpnmigrate.windows.reckoning import BY_DEFAULT, Short, stand, with_soak


def the_window_is_long_enough(_survey: Survey, decisions: Decisions) -> Findings:
    """A cutover, a rollback and the margin have to fit into the window, or it never opens."""
    window = decisions.window
    if window is None:
        return
    awaited = with_soak(BY_DEFAULT, decisions.waits)
    match stand(window, awaited, decisions.waits.margin, window.start):
        case Short(length, needs):
            yield Finding(
                "VPM-W901",
                "window-too-short",
                f"the window {window.written} is {span(length)} long; a cutover, a rollback and "
                f"the margin need {span(needs)} ({BY_DEFAULT.source})",
                "Rehearse the plan: what was rehearsed counts instead.  Or take a longer window, "
                "or a shorter waits.margin.",
            )
        case _:
            return
