"""Settings: flags and environment variables for run directory and log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from platformdirs import user_data_path

from vpnmigrate.model.errors import UsageError

HOME_VARIABLE = "VPNMIGRATE_HOME"
LOG_VARIABLE = "VPNMIGRATE_LOG"
CLOCK_VARIABLE = "VPNMIGRATE_CLOCK"
DATABASE_VARIABLE = "VPNMIGRATE_DATABASE"
DATABASE_FILE_VARIABLE = "VPNMIGRATE_DATABASE_FILE"


class LogTo(StrEnum):
    """Destination of a run's log; never stdout, which is for results."""

    FILE = "file"
    STDERR = "stderr"
    BOTH = "both"
    OFF = "off"


@dataclass(frozen=True)
class Settings:
    """Settings of this process."""

    home: Path
    """The directory of the runs."""
    log: LogTo = LogTo.FILE
    clock: str = ""
    """URL of the served sandbox whose clock is used; empty for the machine's clock."""


def settings_of(environment: Mapping[str, str], run_dir: Path | None = None) -> Settings:
    """Return the settings; the flag *run_dir* takes precedence over the environment.

    Raises:
        UsageError: A variable has an invalid value.
    """
    named = environment.get(HOME_VARIABLE)
    if run_dir is not None:
        home = run_dir
    elif named:
        home = Path(named)
    else:
        home = user_data_path("vpnmigrate", appauthor=False) / "runs"
    wanted = environment.get(LOG_VARIABLE) or LogTo.FILE
    if wanted not in set(LogTo):
        raise UsageError(
            f"{LOG_VARIABLE}={wanted!r} is not one of {', '.join(LogTo)}",
            advice=f"unset {LOG_VARIABLE}, or set it to one of these",
        )
    clock = environment.get(CLOCK_VARIABLE, "")
    return Settings(home.expanduser().absolute(), LogTo(wanted), clock)
