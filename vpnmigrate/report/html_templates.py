"""HTML templates of reports and runbooks, with escaping of every value."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from vpnmigrate.report.text import safe_lines

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def html_templates() -> Environment:
    """Return the environment of the templates, which escapes every value."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("vpnmigrate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    """Return data with control characters replaced; markup from macros is left unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return safe_lines(value)
