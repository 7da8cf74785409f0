"""The change window: how it is written, whether it is open, and how late is too late.

Pure arithmetic over moments.  A window is fixed as two moments when a plan is made; the time zone
it was written in has no say after that.
"""

from vpnmigrate.windows.reckoning import (
    BY_DEFAULT,
    Ahead,
    Expected,
    Late,
    Open,
    Past,
    Short,
    Stand,
    back_out_deadline,
    expected,
    latest_start,
    stand,
    with_soak,
)
from vpnmigrate.windows.written import FORM, PATTERN, window_from

__all__ = [
    "BY_DEFAULT",
    "FORM",
    "PATTERN",
    "Ahead",
    "Expected",
    "Late",
    "Open",
    "Past",
    "Short",
    "Stand",
    "back_out_deadline",
    "expected",
    "latest_start",
    "stand",
    "window_from",
    "with_soak",
]
