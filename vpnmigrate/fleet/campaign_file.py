"""Campaign file: a campaign with its place, so that the files it names can be found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from vpnmigrate.fleet.calendar import Freeze, freezes_between
from vpnmigrate.fleet.campaign import Campaign, FleetMember, campaign_from
from vpnmigrate.local.text_files import MEGABYTE, file_bytes, file_text

LARGEST_CAMPAIGN: Final = 4 * MEGABYTE
"""A member with four connections takes half a kilobyte: 8,000 members."""


@dataclass(frozen=True)
class CampaignFile:
    """A campaign and the file it was read from."""

    path: Path
    campaign: Campaign
    text: str

    @property
    def folder(self) -> Path:
        """The folder to which the names of files in the campaign are relative."""
        return self.path.parent

    def plan_of(self, member: FleetMember) -> Path:
        """Return the file of the plan of *member*."""
        return self.folder / member.plan

    @property
    def playbook(self) -> str:
        """Name of the playbook, or the path of its file."""
        beside = self.folder / self.campaign.playbook
        return str(beside) if beside.is_file() else self.campaign.playbook

    def calendar(self) -> bytes | None:
        """Return the content of the calendar that the campaign names, if it does.

        Raises:
            UsageError: It cannot be read.
        """
        rule = self.campaign.freeze
        return None if rule is None else file_bytes(self.folder / rule.calendar, LARGEST_CALENDAR)

    def freezes_at(self, now: datetime) -> tuple[Freeze, ...]:
        """Return the freezes that concern a start at *now*.

        Raises:
            UsageError: The calendar cannot be read.
            MalformedFileError: It is not a calendar, or an event cannot be understood.
        """
        rule, content = self.campaign.freeze, self.calendar()
        if rule is None or content is None:
            return ()
        name = str(self.folder / rule.calendar)
        return freezes_between(content, name, now, now + rule.margin)


LARGEST_CALENDAR: Final = 8 * MEGABYTE
"""A company's calendar of some years."""


def names_a_campaign(text: str) -> bool:
    """Return whether *text* is a campaign file, also one that is missing, and not a name."""
    path = Path(text)
    return path.is_file() or path.suffix in {".yaml", ".yml"} or len(path.parts) > 1


def load_campaign(path: Path) -> CampaignFile:
    """Read the campaign in the file at *path*.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is not a valid campaign; the message names line and field.
    """
    text = file_text(path, LARGEST_CAMPAIGN)
    return CampaignFile(path, campaign_from(text, str(path)), text)


class ChangingCampaign:
    """A campaign that people edit while it is shown; it is read again when its file has changed.

    1,000 members take a second to read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], CampaignFile] | None = None

    def now(self) -> CampaignFile:
        """Return the campaign; it raises as ``load_campaign`` does."""
        try:
            found = self._path.stat()
        except OSError:
            return load_campaign(self._path)  # It has the message.
        state = found.st_mtime_ns, found.st_size
        if self._read is None or self._read[0] != state:
            self._read = state, load_campaign(self._path)
        return self._read[1]
