"""Settings from flags and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpnmigrate.local.settings import LogTo, Settings, settings_of
from vpnmigrate.model.errors import UsageError


def test_the_flag_goes_before_the_environment() -> None:
    """``--run-dir`` sets the directory of the runs, otherwise VPNMIGRATE_HOME does."""
    environment = {"VPNMIGRATE_HOME": "/srv/runs"}

    assert settings_of(environment) == Settings(Path("/srv/runs"), LogTo.FILE)
    assert settings_of(environment, Path("/flag")).home == Path("/flag")


@pytest.mark.parametrize("environment", [{}, {"VPNMIGRATE_HOME": ""}])
def test_without_either_runs_live_in_the_data_directory(environment: dict[str, str]) -> None:
    """By default runs are in a subdirectory of the user's data directory."""
    home = settings_of(environment).home

    assert home.parts[-2:] == ("vpnmigrate", "runs")
    assert home.is_relative_to(Path.home())


def test_a_relative_home_stays_where_it_is() -> None:
    """The home is made absolute, so that printed commands work from any directory."""
    assert settings_of({}, Path("here")).home == Path.cwd() / "here"
    assert settings_of({"VPNMIGRATE_HOME": "~/there"}).home == Path.home() / "there"


@pytest.mark.parametrize("to", LogTo)
def test_the_log_goes_where_it_is_told(to: LogTo) -> None:
    """VPNMIGRATE_LOG selects the run's file, stderr, both or no log."""
    assert settings_of({"VPNMIGRATE_LOG": to.value}, Path("/x")).log is to


def test_a_log_that_cannot_be_is_a_usage_error() -> None:
    """An invalid value is named, with the valid ones."""
    with pytest.raises(UsageError, match="file, stderr, both, off"):
        settings_of({"VPNMIGRATE_LOG": "stdout"})
