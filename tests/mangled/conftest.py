"""The terminal of the command line's tests, in front of a world that is reached over HTTP."""

from tests.cli.conftest import terminal

__all__ = ["terminal"]
