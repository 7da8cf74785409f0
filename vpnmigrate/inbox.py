"""What other terminals say to a run: small files that its process takes up in order.

Only the process that holds the run writes its journal, so everybody else leaves a message.  A
message appears whole or not at all, and is removed only once what it says is durable elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from vpnmigrate.errors import VpnMigrateError
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.private_files import FOLDER_MODE, sync_folder, write_whole
from vpnmigrate.rundir import Run

_SUFFIX = ".json"
_ASIDE = ".rejected"


class _Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="message", kw_only=True
):
    at: datetime
    """When it was said: a word answers what was asked then."""
    who: str
    host: str


class Done(_Message, frozen=True, forbid_unknown_fields=True, tag="done", kw_only=True):
    """The task of a step is done."""

    step: int


class Pause(_Message, frozen=True, forbid_unknown_fields=True, tag="pause", kw_only=True):
    """Rest at the next safe point, until somebody says to continue."""


class Continue(_Message, frozen=True, forbid_unknown_fields=True, tag="continue", kw_only=True):
    """Rest no longer."""


class Abort(_Message, frozen=True, forbid_unknown_fields=True, tag="abort", kw_only=True):
    """Give the attempt up at the next safe point."""

    unless_confirmed: bool = False
    """Said because nobody had confirmed, which somebody may have done in that very moment."""


class Confirm(_Message, frozen=True, forbid_unknown_fields=True, tag="confirm", kw_only=True):
    """The migration is as it should be; nothing has to go back."""


class Accept(_Message, frozen=True, forbid_unknown_fields=True, tag="accept", kw_only=True):
    """Be content with fewer tunnels of these connections, new or old ones by id."""

    degraded: tuple[str, ...]
    reason: str


Order = Pause | Continue | Abort | Confirm
"""What says nothing but itself."""
Message = Done | Order | Accept


@dataclass(frozen=True)
class Letter:
    """A message in its file; None is a file that says nothing we understand."""

    path: Path
    message: Message | None
    why: str = ""

    @property
    def id(self) -> str:
        """What tells this message from every other, across crashes."""
        return self.path.name.removesuffix(_SUFFIX)


class Inbox:
    """The messages left for one run."""

    def __init__(self, run: Run) -> None:
        self._folder = run.inbox

    def leave(self, message: Message) -> str:
        """Leave *message* for the run's process, durably, and give its id.

        Raises:
            VpnMigrateError: The disk refuses.
        """
        stamp = message.at.strftime("%Y%m%dT%H%M%S.%fZ")
        id_ = f"{stamp}-{secrets.token_hex(4)}"
        path = self._folder / f"{id_}{_SUFFIX}"
        try:
            self._folder.mkdir(FOLDER_MODE, exist_ok=True)
            write_whole(path, msgspec.json.encode(message) + b"\n")
        except OSError as exc:
            raise VpnMigrateError(
                f"the message cannot be left in {self._folder}: {exc.strerror}",
                advice="see to the disk and its permissions, and say it again",
            ) from exc
        return id_

    def letters(self) -> Iterator[Letter]:
        """Give what was left, oldest first."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                yield Letter(path, msgspec.json.decode(path.read_bytes(), type=Message))
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                yield Letter(path, None, fault_of(exc))
            except OSError as exc:
                yield Letter(path, None, exc.strerror or "unreadable")

    def remove(self, letter: Letter) -> None:
        """Forget *letter*: what it says is durable elsewhere."""
        letter.path.unlink(missing_ok=True)
        sync_folder(self._folder)

    def set_aside(self, letter: Letter) -> None:
        """Keep *letter*'s file out of the way, for a person to look at."""
        letter.path.replace(letter.path.with_name(letter.path.name + _ASIDE))
        sync_folder(self._folder)
