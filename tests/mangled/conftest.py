"""The terminal of the command-line tests, with a sandbox over HTTP."""

from tests.cli.conftest import terminal

__all__ = ["terminal"]
