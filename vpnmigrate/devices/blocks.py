"""Blocks of commands for the engineer of a device: load, enable, back out, remove.

``device_blocks`` renders them from a platform's template, ``platforms/NAME/commands.j2``.  The
template has macros for one connection, called with the new or the old one: ``load``, ``enable``,
``disable`` and ``remove`` return commands, ``up``, ``down`` and ``absent`` checks.  Which names a
template may use is in ``_TemplateNames`` below and in ``tunnel_values.SOURCES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FunctionLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vpnmigrate.devices.configuration import TunnelConfiguration
from vpnmigrate.devices.device_notes import asn_changes, keyless, old_tunnels, weak_algorithms
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask, ipv4
from vpnmigrate.devices.platforms import COMMANDS, Platform, TemplateSource, no_templates
from vpnmigrate.devices.running_configuration import DeviceNames, mentions
from vpnmigrate.devices.tunnel_values import (
    TrackedValues,
    masked,
    unknown_values,
    unused_members,
    values_of,
)
from vpnmigrate.devices.tunnels_before import TunnelsBefore, tunnels_before
from vpnmigrate.model.errors import UsageError

KeyText = Callable[[TunnelConfiguration], str | None]
"""Returns the key of a tunnel for a private file, or None where the commands are shown."""


class BlockName(StrEnum):
    """The five blocks, in the order of a migration."""

    LOAD = "load"
    ENABLE = "enable"
    BACK_OUT = "back-out"
    REMOVE_OLD = "remove-old"
    REMOVE_NEW = "remove-new"


@dataclass(frozen=True)
class DeviceCheck:
    """A command that shows a state, and what it shows."""

    command: str
    expected: str


@dataclass(frozen=True)
class DeviceFile:
    """A file that a block writes on the device."""

    path: str
    text: str
    mode: str


@dataclass(frozen=True)
class DeviceBlock:
    """Commands that belong together."""

    name: BlockName
    title: str
    signal: str
    """When to begin."""
    duration: str
    commands: str
    checks: tuple[DeviceCheck, ...]
    after: str
    """What to do when the checks are as expected."""
    message: str
    """What the engineer says on the bridge then."""


@dataclass(frozen=True)
class DeviceBlocks:
    """The blocks of one device, with what its engineer has to know."""

    platform: Platform
    task: DeviceTask
    blocks: tuple[DeviceBlock, ...]
    notes: tuple[str, ...]
    unused: tuple[str, ...]
    placeholders: tuple[str, ...]
    """What an engineer has to replace in the commands."""
    files: tuple[DeviceFile, ...] = ()
    enable_new: str = ""
    disable_old: str = ""
    """The two parts of the block that enables: a driver leaves the old tunnels at first."""
    around: tuple[str, str] = ("", "")
    """What every block begins and ends with: the commands that begin a change and commit it."""
    before: TunnelsBefore = field(default_factory=TunnelsBefore)
    """The old tunnels that the device has."""
    swaps_addresses: bool = False
    """Whether an old tunnel has the inside address of a new one, so both cannot be enabled."""


def withheld(_tunnel: TunnelConfiguration) -> None:
    """Return None instead of a key, for commands that are shown."""
    return


def revealed(tunnel: TunnelConfiguration) -> str | None:
    """Return the key of a tunnel, for a private file."""
    return tunnel.key.reveal() if tunnel.key else None


def device_blocks(
    task: DeviceTask,
    platform: Platform,
    more: TemplateSource = no_templates,
    keys: KeyText = withheld,
) -> DeviceBlocks:
    """Return the blocks of *task* for *platform*; templates in *more* take precedence.

    Raises:
        UsageError: A template is missing or invalid.
    """
    try:
        return _Rendering(task, platform, more, keys).blocks()
    except TemplateNotFound as exc:
        raise UsageError(f"there is no template {exc.name}") from None
    except TemplateError as exc:
        where = f"{getattr(exc, 'filename', None) or platform.folder}"
        raise UsageError(f"the template in {where} is invalid: {exc.message}") from None


@cache
def _environment(more: TemplateSource) -> ImmutableSandboxedEnvironment:
    own: list[BaseLoader] = [FunctionLoader(more)]
    # Commands, not HTML: escaping would alter them.
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*own, PackageLoader("vpnmigrate.devices", "platforms")]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _TemplateTunnel(TrackedValues):
    """A tunnel in a template: its values, its side, and its number, which is from 1."""

    def __init__(
        self, values: dict[str, object], used: set[str], side: str, connection: str, number: int
    ) -> None:
        super().__init__(values, used)
        self.side: Final = side
        self.connection: Final = connection
        self.number: Final = number
        self.addresses: Final = {
            name.upper(): str(values[name]) for name in ("outside", "inside", "device_inside")
        }


@dataclass(frozen=True)
class _TemplateSide:
    """A connection in a template."""

    side: str
    connection: str
    short: str
    static: bool
    tunnels: tuple[_TemplateTunnel, ...]
    first: _TemplateTunnel
    vpc: tuple[str, ...]
    networks: tuple[str, ...]
    key_place: str
    certified: bool
    """Whether its tunnels authenticate with certificates."""
    number: int = 0

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the first tunnel."""
        return self.first.addresses

    def without(self, outside: Collection[str]) -> _TemplateSide:
        """Return the connection without the tunnels to the addresses *outside*."""
        left = tuple(t for t in self.tunnels if t.addresses["OUTSIDE"] not in outside)
        return replace(self, tunnels=left, first=left[0])


class _Rendering:
    """One rendering of a template, which notes what it used."""

    def __init__(
        self, task: DeviceTask, platform: Platform, more: TemplateSource, keys: KeyText
    ) -> None:
        self._task, self._platform, self._keys = task, platform, keys
        self._names = DeviceNames(task.existing)
        self._used: set[str] = set()
        self._files: dict[str, DeviceFile] = {}
        self._notes: list[str] = []
        old_used: set[str] = set()
        self._new = self._side(task.new, "new", self._used)
        self._before = tunnels_before(task, platform.name)
        old = self._side(task.old, "old", old_used) if task.old else None
        self._old = old and old.without(self._before.absent)
        self._old_in_use = self._old and self._old.without(self._before.disabled)
        names = _TemplateNames(
            self._names, self._write_file, self._word, self._note, platform.variant
        )
        template = _environment(more).get_template(f"{platform.folder}/{COMMANDS}")
        self._macros: Any = template.make_module(names.as_context())

    def blocks(self) -> DeviceBlocks:
        new, old, in_use, task = self._new, self._old, self._old_in_use, self._task
        # A device cannot have one address on two enabled tunnels.
        disables = not task.leaves_old or self._same_inside
        swap = [self._call("enable", new)]
        if disables:
            swap.append(self._call("disable", old))
        back = [self._call("disable", new), self._call("enable", in_use)]
        if self._same_inside:
            swap.reverse()
        status = f"`vpnmigrate status {task.run}`"
        done = f"`vpnmigrate done {task.run} {{}} --connection {self._named}`"
        rendered = (
            DeviceBlock(
                BlockName.LOAD,
                "load the new tunnels, administratively down",
                f"When the operator says that step 5 waits for this device ({status}). Before the "
                "change window; the old tunnels stay enabled.",
                "no limit: traffic stays on the old tunnels",
                self._together(self._call("load", new)),
                self._checks(("down", new), ("up", in_use)),
                f"The operator confirms it: {done.format(5)}.",
                "the new tunnels are loaded and down; the old ones are up",
            ),
            DeviceBlock(
                BlockName.ENABLE,
                f"enable the new tunnels{_ENABLING[disables]}",
                "In the window, when the operator says that the new gateway is attached and step "
                f"10 waits ({status}). Traffic is down until this block has taken effect.",
                "IKE and BGP need 10 to 60 s after the commands",
                self._together(*swap),
                self._checks(("up", new), *([("down", old)] if disables else ())),
                "Send traffic through each new tunnel and keep sending: AWS does not initiate. "
                f"The operator confirms it: {done.format(10)}.",
                f"the new tunnels are enabled, {_OLD_ONES[disables]}; ... of the new are up",
            ),
            DeviceBlock(
                BlockName.BACK_OUT,
                "back out: disable the new tunnels and enable the old ones",
                "When the operator says that the run rolls back and the old gateway is attached "
                f"({status}), not before. Traffic is down until this block has taken effect.",
                "IKE and BGP need 10 to 60 s after the commands",
                self._together(*back),
                self._checks(("down", new), ("up", in_use)),
                "Send traffic through each old tunnel: it does not come up by itself.",
                "the old tunnels are enabled again; ... of them are up",
            ),
            DeviceBlock(
                BlockName.REMOVE_OLD,
                "remove the old tunnels",
                "After finalize has deleted the old connection. No rollback is possible after it.",
                "no limit: traffic stays on the new tunnels",
                self._together(self._call("remove", old)),
                self._checks(("absent", old), ("up", new)),
                "Remove the old outside addresses from the firewalls.",
                "the old tunnels are removed; the new ones are up",
            ),
            DeviceBlock(
                BlockName.REMOVE_NEW,
                "remove the new tunnels",
                "After a rollback, when the operator says that traffic flows on the old connection "
                f"({status}).",
                "no limit: traffic stays on the old tunnels",
                self._together(self._call("remove", new)),
                self._checks(("absent", new), ("up", in_use)),
                "Remove the new outside addresses from the firewalls.",
                "the new tunnels are removed; the old ones are up",
            ),
        )
        return DeviceBlocks(
            self._platform,
            task,
            rendered,
            tuple(dict.fromkeys((*self._findings(), *self._notes))),
            tuple(self._unused()),
            tuple(sorted({p for b in rendered for p in _PLACEHOLDER.findall(b.commands)})),
            tuple(self._files.values()),
            self._together(self._call("enable", new)),
            self._together(self._call("disable", old)),
            self._around,
            self._before,
            self._same_inside,
        )

    @property
    def _named(self) -> str:
        return self._task.old.connection if self._task.old else self._task.new.connection

    @property
    def _same_inside(self) -> bool:
        """Whether an inside network is that of an old tunnel too."""
        task = self._task
        before, after = (
            {t.amazon.inside_cidr for t in side.configuration.tunnels}
            if side is not None and side.configuration
            else set()
            for side in (task.old, task.new)
        )
        return bool(before & after)

    def _side(self, side: DeviceSide, name: str, used: set[str]) -> _TemplateSide:
        task, configuration = self._task, side.configuration
        values: list[dict[str, object]] = (
            [values_of(t, side.options, self._key(t)) for t in configuration.tunnels]
            if configuration
            else [unknown_values(name, number) for number in (1, 2)]
        )
        tunnels = tuple(
            _TemplateTunnel(each, used, name, side.connection, number)
            for number, each in enumerate(values, 1)
        )
        return _TemplateSide(
            name,
            side.connection,
            side.connection[-8:] or name,
            configuration.static if configuration else side.planned_static,
            tunnels,
            tunnels[0],
            ipv4(task.vpc) or ("<networks of the VPC>",),
            ipv4(task.networks) or ("<networks of this site, as the old neighbours receive them>",),
            side.key_place,
            bool(task.certificate),
        )

    def _key(self, tunnel: TunnelConfiguration) -> str:
        return self._keys(tunnel) or f"<key of {tunnel.outside_ip}>"

    def _call(self, macro: str, side: _TemplateSide | None) -> str:
        if side is None:
            return ""
        called = getattr(self._macros, macro, None)
        if called is None:
            raise TemplateError(f"it has no macro {macro}")
        return str(called(side)).strip("\n")

    def _together(self, *parts: str) -> str:
        commands = [part for part in parts if part]
        first, last = self._around if commands else ("", "")
        return "\n".join(part for part in (first, *commands, last) if part)

    @property
    def _around(self) -> tuple[str, str]:
        begin, commit = (getattr(self._macros, name, None) for name in ("begin", "commit"))
        return (
            str(begin()).strip("\n") if begin else "",
            str(commit()).strip("\n") if commit else "",
        )

    def _checks(self, *wanted: tuple[str, _TemplateSide | None]) -> tuple[DeviceCheck, ...]:
        lines = [line for macro, side in wanted for line in self._call(macro, side).splitlines()]
        parted = [line.partition(" => ") for line in lines if line.strip()]
        return tuple(DeviceCheck(command.strip(), shown.strip()) for command, _, shown in parted)

    def _write_file(self, path: str, mode: str, text: str) -> str:
        """Return the command that writes a file; keys are written by hand unless revealed."""
        text = text.strip("\n")
        self._files[path] = DeviceFile(path, f"{text}\n", mode)
        if "<key of " in text:
            return (
                f"# {path} (mode {mode}) is not shown because it has keys: write it from the\n"
                f"# private file of `vpnmigrate device config --with-keys`, then continue:\n"
                f"test -s {path} || echo 'MISSING: {path}'"
            )
        return f"install -m {mode} /dev/stdin {path} <<'END'\n{text}\nEND"

    def _word(self, words: dict[Any, str], value: Any, what: str) -> str:
        """Return this platform's word for *value*; a placeholder, and a note, if it has none."""
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
            return value  # A draft, before step 4: the value is not known yet.
        found = words.get(value)
        if found is None:
            self._notes.append(
                f"The template has no word of this platform for {what} {value}: see the vendor's "
                "manual, or choose other tunnel options."
            )
            return f"<{what} {value}>"
        return found

    def _note(self, text: str) -> str:
        """Add a note of the template to the page."""
        self._notes.append(text)
        return ""

    def _unused(self) -> Iterator[str]:
        new = self._task.new
        if new.configuration:
            yield from unused_members(new.configuration, new.options, self._used)

    def _findings(self) -> Iterator[str]:
        task, new = self._task, self._task.new.configuration
        old = task.old.configuration if task.old else None
        if new is None:
            yield (
                "Step 4 has not written the new connection's configuration yet: its values are "
                "placeholders, and the commands are a draft."
            )
            return
        outside = ", ".join(t.outside_ip for t in new.tunnels)
        yield (
            f"Firewalls: allow UDP 500, UDP 4500 and ESP (IP protocol 50) to and from {outside} "
            "before the window, beside the old addresses."
        )
        if len(new.tunnels) == 1:
            yield "EC2 shows only one tunnel of the new connection: there is no second path."
        yield from asn_changes(old, new)
        if left_out := [each for each in task.vpc if each not in ipv4(task.vpc)]:
            yield f"Left out, because these tunnels carry IPv4 only: {', '.join(left_out)}."
        if self._same_inside:
            yield "Old and new tunnels share inside addresses: the old ones are disabled first."
        if task.certificate:
            yield (
                "The tunnels authenticate with certificates: bind the one of the old tunnels "
                f"({task.certificate}). AWS's new endpoints have their own: check that the device "
                "trusts their authority and accepts their names."
            )
        for tunnel in new.tunnels:
            if tunnel.key is None and not task.certificate:
                yield f"The configuration has no key for {tunnel.outside_ip}: {keyless(task.new)}"
        if new.unknown:
            yield f"Members that this program does not know, not used: {', '.join(new.unknown)}"
        yield from weak_algorithms(task.new)
        yield from old_tunnels(self._before)
        yield from mentions(task.existing, old, new)


_ENABLING: Final = {
    True: " and disable the old ones",
    False: "; the plan leaves the old ones enabled",
}
_OLD_ONES: Final = {True: "the old ones disabled", False: "the old ones left as they are"}
"""What the second block does with the old tunnels, by whether it disables them."""
_PLACEHOLDER: Final = re.compile(r"<[a-zA-Z][^<>\n]* [^<>\n]*>")


@dataclass(frozen=True)
class _TemplateNames:
    """The functions that a template may call; values are attributes of tunnels and sides."""

    names: DeviceNames
    write_file: Callable[[str, str, str], str]
    word: Callable[[dict[Any, str], Any, str], str]
    note: Callable[[str], str]
    variant: str

    def as_context(self) -> dict[str, Any]:
        """Return the names of a template's context."""

        def file(path: str, mode: str, caller: Callable[[], str]) -> str:
            return self.write_file(path, mode, caller())

        return {
            "numbered": self.names.numbered,
            "number": self.names.number,
            "named": self.names.named,
            "file": file,
            "word": self.word,
            "masked": masked,
            "note": self.note,
            "variant": self.variant,
        }
