"""What flags and environment say."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpnmigrate.errors import UsageError
from vpnmigrate.local.settings import LogTo, Settings, settings_of


def test_the_flag_goes_before_the_environment() -> None:
    """``--run-dir`` says where runs live, else VPNMIGRATE_HOME does."""
    environment = {"VPNMIGRATE_HOME": "/srv/runs"}

    assert settings_of(environment) == Settings(Path("/srv/runs"), LogTo.FILE)
    assert settings_of(environment, Path("/flag")).home == Path("/flag")


@pytest.mark.parametrize("environment", [{}, {"VPNMIGRATE_HOME": ""}])
def test_without_either_runs_live_in_the_data_directory(environment: dict[str, str]) -> None:
    """By default runs live where this user's programs keep data, in a place of their own."""
    home = settings_of(environment).home

    assert home.parts[-2:] == ("vpnmigrate", "runs")
    assert home.is_relative_to(Path.home())


def test_a_relative_home_stays_where_it_is() -> None:
    """A home is made absolute at once, so that printed commands work from anywhere."""
    assert settings_of({}, Path("here")).home == Path.cwd() / "here"
    assert settings_of({"VPNMIGRATE_HOME": "~/there"}).home == Path.home() / "there"


@pytest.mark.parametrize("to", LogTo)
def test_the_log_goes_where_it_is_told(to: LogTo) -> None:
    """VPNMIGRATE_LOG sends the log to the run's file, to stderr, to both or nowhere."""
    assert settings_of({"VPNMIGRATE_LOG": to.value}, Path("/x")).log is to


def test_a_log_that_cannot_be_is_a_usage_error() -> None:
    """A value that means nothing is named, with those that do."""
    with pytest.raises(UsageError, match="file, stderr, both, off"):
        settings_of({"VPNMIGRATE_LOG": "stdout"})
