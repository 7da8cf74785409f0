"""Plain values of options and arguments, which a command takes without pydantic.

Typer converts each value with pydantic, even text and a default.  To import it, and to make an
adapter for each option, takes a quarter of the start of a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from typer.core import TyperArgument, TyperOption


@dataclass(frozen=True)
class _Conversion:
    """The conversion of plain values; Typer's converts all others."""

    typers: Callable[[], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return *value* as the command's function takes it."""
        kind = param.type_descriptor.annotation
        match value:
            case None:
                return () if param.multiple or param.nargs == -1 else None
            case str() if kind is Path:
                return Path(value)
            case list() | tuple() if kind == list[str]:
                return list(value)
            case _ if isinstance(kind, type) and isinstance(value, kind):
                return value
            case _:
                return self.typers().coerce(value, param=param, ctx=ctx)


class PlainOption(TyperOption):
    """An option that takes plain values without pydantic."""

    def get_runtime_param(self) -> Any:
        """Return the conversion of its values."""
        return _Conversion(super().get_runtime_param)


class PlainArgument(TyperArgument):
    """An argument that takes plain values without pydantic."""

    def get_runtime_param(self) -> Any:
        """Return the conversion of its values."""
        return _Conversion(super().get_runtime_param)


_PLAIN: Final[Mapping[type, type]] = {TyperOption: PlainOption, TyperArgument: PlainArgument}


@cache
def with_plain_values(parameter: Any) -> Any:
    """Return *parameter* as one that takes plain values without pydantic, always the same one.

    Typer makes its parameters itself, and no option of it names another class.
    """
    plain: Any = object.__new__(_PLAIN[type(parameter)])
    vars(plain).update(vars(parameter))
    return plain
