"""What a shell may offer for an argument; reads nothing but the names of run directories."""

from __future__ import annotations


def runs(incomplete: str) -> list[str]:
    """Give the ids of runs that begin with *incomplete*."""
    import os

    from vpnmigrate.errors import VpnMigrateError
    from vpnmigrate.local.run_directory import Runs
    from vpnmigrate.local.settings import settings_of

    try:
        known = Runs(settings_of(os.environ).home).list()
    except VpnMigrateError:
        return []  # a shell that is completing a word wants no message
    return [run.id for run in known if run.id.startswith(incomplete)]
