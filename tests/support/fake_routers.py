"""Command lines of routers: candidate, comparison, and a commit that needs confirmation.

They know as much as the drivers and napalm ask: IOS by sections, Junos and VyOS by ``set`` lines.
A test decides when a timer expires, and calls ``undo`` then.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from difflib import ndiff
from threading import RLock
from typing import Any

USER = "netops"
PASSWORD = "Correct-horse.7"
Tree = dict[str, Any]


class Router(ABC):
    """A router, whose configuration outlives every connection."""

    refusal: str
    """What it prints instead of carrying out a command."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self.logins: list[str] = []
        self.authorized_keys: list[str] = []
        """Public keys with which the user may log in, in Base64."""
        self.rejects = ""
        """Pattern of the commands that are refused."""
        self.ignores = ""
        """Pattern of the commands that have no effect, without a word."""
        self.answers: dict[str, str] = {}
        """What it prints after a command, where a test cares."""
        self.cut_off: Callable[[], bool] = lambda: False
        """Whether the running configuration keeps connections out."""
        self.saved = 0
        self.undone = 0
        self.lock = RLock()
        self._before: Any = None

    running: Any

    @property
    def waits(self) -> bool:
        """Whether a commit waits for its confirmation."""
        return self._before is not None

    @property
    def before(self) -> Any:
        """The configuration before the commit that waits."""
        return self._before

    def start_timer(self) -> None:
        self._before = deepcopy(self.running)

    def undo(self) -> None:
        """Undo the commit that waits, as the router does when its timer expires."""
        with self.lock:
            self.running, self._before = self._before, None
            self.undone += 1

    def settle(self) -> None:
        self._before = None

    @abstractmethod
    def load(self, text: str) -> None:
        """Add *text* to the running configuration."""

    @abstractmethod
    def session(self) -> Session:
        """Return a new session."""

    @abstractmethod
    def text(self) -> str:
        """Return the running configuration."""


class Session(ABC):
    """One terminal at a router."""

    @property
    @abstractmethod
    def prompt(self) -> str:
        """What the router prints when it waits for a command."""

    @abstractmethod
    def answer(self, line: str) -> str:
        """Return what the router prints after *line*."""


IOS_SECTION = re.compile(
    r"(interface|tunnel-group \S+ ipsec|router bgp|archive$|crypto (isakmp (policy|profile)"
    r"|keyring|ipsec (transform-set|profile|ikev2 ipsec-proposal)"
    r"|ikev2 (proposal|policy|keyring|profile)))\b"
)
IOS_NESTED = re.compile(r"(address-family|peer) ")
IOS_GLOBAL = re.compile(r"(ip (route|prefix-list|scp)|file prompt|hostname)\b")


class IosRouter(Router):
    """Cisco IOS-XE with an archive and an SCP server."""

    refusal = "             ^\n% Invalid input detected at '^' marker.\n"

    def __init__(self) -> None:
        super().__init__()
        self.running: Tree = {"hostname munich": {}, "ip scp server enable": {}}
        self.files: dict[str, str] = {}
        self.archive = True
        self.starts_timers = True
        """Whether it can write the archive, which a timer needs."""
        self.reverts = True
        """Whether it undoes a change at once when it is told to."""

    def load(self, text: str) -> None:
        session = IosSession(self)
        for line in text.splitlines():
            session.configure(line)

    def session(self) -> IosSession:
        return IosSession(self)

    def text(self) -> str:
        return "\n".join(_rendered(self.running))


class AsaRouter(IosRouter):
    """Cisco ASA: what its commands have in common with those of IOS, and no timer."""

    refusal = "             ^\nERROR: % Invalid input detected at '^' marker.\n"


def _rendered(tree: Tree, depth: int = 0) -> list[str]:
    return [
        line
        for name, below in tree.items()
        for line in (" " * depth + name, *_rendered(below, depth + 1))
    ]


def _without(tree: Tree, command: str) -> None:
    for name in [n for n in tree if n == command or n.startswith(f"{command} ")]:
        del tree[name]
    for below in tree.values():
        _without(below, command)


class IosSession(Session):
    """A privileged terminal."""

    def __init__(self, router: IosRouter) -> None:
        self._router = router
        self._above: list[Tree] = []
        self._configures = False

    @property
    def prompt(self) -> str:
        return f"munich{'(config)' if self._configures else ''}#"

    def configure(self, line: str) -> str:
        """Change the running configuration."""
        router, command = self._router, line.strip()
        if command in ("exit", "exit-address-family"):
            self._above = self._above[:-1]
            return ""
        if router.rejects and re.search(router.rejects, command):
            return router.refusal
        if router.ignores and re.search(router.ignores, command):
            return ""
        plain = command.removeprefix("no ")
        if IOS_SECTION.match(plain) or IOS_GLOBAL.match(plain):
            self._above = []
        elif IOS_NESTED.match(plain):
            self._above = self._above[:1]
        here = self._above[-1] if self._above else router.running
        if plain != command:
            _without(here, plain)
            return ""
        opened = here.setdefault(command, {})
        if IOS_SECTION.match(command) or IOS_NESTED.match(command):
            self._above = [*self._above, opened]
        return ""

    def answer(self, line: str) -> str:
        with self._router.lock:
            if not self._configures:
                return self._command(line.split())
            if line.strip() == "end":
                self._configures = False
                return ""
            return self.configure(line) if line.strip() else ""

    def _command(self, words: list[str]) -> str:
        router = self._router
        match words:
            case ["configure", "terminal", *timer]:
                if timer and not router.archive:
                    return "%Please turn config archive on, to use this command"
                if timer and router.starts_timers:
                    router.start_timer()
                self._configures, self._above = True, []
                return "Enter configuration commands, one per line.  End with CNTL/Z."
            case ["configure", "confirm"]:
                router.settle()
            case ["configure", "revert", "now"] if router.reverts:
                router.undo()
                return "Rollback Done"
            case ["write", *_]:
                router.saved += 1
                return "[OK]"
            case ["show", *what]:
                return self._show(what)
            case _:
                return self._file_command(words)
        return ""

    def _show(self, what: list[str]) -> str:
        router = self._router
        match what:
            case ["archive", "config", "rollback", "timer"]:
                return _TIMER if router.waits else "%No Rollback Confirmed Change pending"
            case ["archive", "config", "incremental-diffs", path, *_]:
                return f"!List of Commands:\n{router.files[_name(path)]}"
            case ["archive"] if not router.archive:
                return "Archive feature not enabled"
            case ["archive"]:
                return "The maximum archive configurations allowed is 10."
            case ["running-config", "|", "inc", *words]:
                found = [n for n in router.text().splitlines() if " ".join(words) in n]
                return "\n".join(found)
            case ["running-config"]:
                return f"Building configuration...\n\n{router.text()}\nend"
            case _:
                return ""

    def _file_command(self, words: list[str]) -> str:
        files = self._router.files
        match words:
            case ["dir"] | ["dir", "flash:"]:
                return "Directory of flash:/\n\n9000000 bytes total (8000000 bytes free)"
            case ["dir", path]:
                name = _name(path)
                found = f"  33  -rw-  {len(files.get(name, ''))}  Dec 18 2026  {name}"
                return (
                    f"Directory of {path}\n\n{found}"
                    if name in files
                    else f"%Error opening {path} (No such file or directory)"
                )
            case ["verify", "/md5", path]:
                digest = hashlib.md5(files[_name(path)].encode()).hexdigest()
                return f"verify /md5 ({path}) = {digest}"
            case ["copy", "running-config", path]:
                files[_name(path)] = self._router.text()
            case ["copy", path, "running-config"]:
                said = "\n".join(map(self.configure, files[_name(path)].splitlines()[:-1]))
                return f"{said.strip()}\n1024 bytes copied in 0.1 secs"
            case ["delete", "/force", path]:
                files.pop(_name(path), None)
            case _:
                pass
        return ""


_TIMER = f"""Time configured(or reconfigured): 02:00:00 UTC Sun Mar 1 2026
Timer type: absolute timer
Timer value: 5 min
User: {USER}"""


def _name(path: str) -> str:
    return path.removeprefix("flash:").removeprefix("/")


class SetRouter(Router):
    """A router whose configuration is lines that begin with ``set`` or ``deactivate``."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []
        self.stored: list[str] = []
        """What was saved."""

    def load(self, text: str) -> None:
        self.running += text.splitlines()
        self.stored = list(self.running)

    def text(self) -> str:
        return "\n".join(self.running)


class SetSession(Session):
    """A terminal with a candidate configuration."""

    def __init__(self, router: SetRouter) -> None:
        self._router = router
        self._candidate: list[str] | None = None

    def _changed(self, command: str) -> bool:
        """Change the candidate; return whether *command* is known."""
        if self._candidate is None:
            return False
        verb, _, rest = command.partition(" ")
        lines = self._candidate
        if self._router.ignores and re.search(self._router.ignores, command):
            return True
        match verb:
            case "set" | "deactivate" if command not in lines:
                lines.append(command)
            case "delete":
                gone = re.compile(rf"(set|deactivate) {re.escape(rest)}(?: |$)")
                lines[:] = [line for line in lines if not gone.match(line)]
            case "activate" if f"deactivate {rest}" in lines:
                lines.remove(f"deactivate {rest}")
        return verb in ("set", "deactivate", "delete", "activate")

    def _compared(self) -> str:
        shown = ndiff(self._router.running, self._candidate or [])
        return "\n".join(line for line in shown if line[0] in "+-")

    def _commit(self, *, timed: bool) -> None:
        if timed:
            self._router.start_timer()
        else:
            self._router.settle()
        self._router.running = list(self._candidate or [])


class JunosRouter(SetRouter):
    """Junos."""

    refusal = "            ^\nsyntax error."

    def __init__(self) -> None:
        super().__init__()
        self.undone_commit: list[str] = []
        """The commit that the timer has undone, which is revision 1 then."""

    def undo(self) -> None:
        with self.lock:
            self.undone_commit = self.running
            super().undo()

    def session(self) -> JunosSession:
        return JunosSession(self)


class JunosSession(SetSession):
    def __init__(self, router: JunosRouter) -> None:
        super().__init__(router)
        self._router: JunosRouter = router

    @property
    def prompt(self) -> str:
        at = f"{USER}@munich"
        return f"{at}> " if self._candidate is None else f"\n[edit]\n{at}# "

    def answer(self, line: str) -> str:
        router, command = self._router, line.strip()
        with router.lock:
            if router.rejects and re.search(router.rejects, command):
                return router.refusal
            if self._changed(command):
                return ""
            match command.split():
                case ["configure", "exclusive"]:
                    self._candidate = list(router.running)
                    return (
                        "warning: uncommitted changes will be discarded on exit\n"
                        "Entering configuration mode"
                    )
                case ["exit", *_]:
                    self._candidate = None
                    return "Exiting configuration mode"
                case ["commit", "confirmed", minutes, *_]:
                    self._commit(timed=True)
                    return (
                        f"commit confirmed will be automatically rolled back in {minutes} minutes "
                        "unless confirmed\ncommit complete"
                    )
                case ["commit", *_]:
                    self._commit(timed=False)
                    return "commit complete"
                case ["rollback", revision]:
                    before = router.before if router.waits else router.undone_commit
                    self._candidate = list(before if revision == "1" else router.running)
                    return "load complete"
                case ["show", *what]:
                    return self._show(what)
                case ["run", "show", *what] if self._candidate is not None:
                    return self._show_operational(what)
                case ["set", "cli", *what]:
                    return {"complete-on-space": "Disabling complete-on-space"}.get(
                        what[0], f"Screen {what[0].removeprefix('screen-')} set to {what[-1]}"
                    )
                case _:
                    return ""

    def _show(self, what: list[str]) -> str:
        match what:
            case ["|", "compare", *_]:
                return self._compared()
            case ["configuration" | "system", *_] if self._candidate is not None:
                return "            ^\nsyntax error."
            case _:
                return self._show_operational(what)

    def _show_operational(self, what: list[str]) -> str:
        match what:
            case ["configuration", *_]:
                return self._router.text()
            case ["system", "commit", *_]:
                how = " commit confirmed, rollback in 5mins" if self._router.waits else ""
                return f"0   2026-03-01 02:00:00 UTC by {USER} via cli{how}"
            case _:
                return ""


class VyosRouter(SetRouter):
    """VyOS."""

    refusal = "\n  Configuration path: vpn ipsec [x] is not valid\n  Set failed\n"

    def __init__(self) -> None:
        super().__init__()
        self.question = "Proceed ? [Y/n] "
        """What it asks before it starts its timer."""
        self.commit_failure = ""
        """What the next commit prints that carries out no more than a part."""

    def session(self) -> VyosSession:
        return VyosSession(self)


class VyosSession(SetSession):
    _asks = False

    def __init__(self, router: VyosRouter) -> None:
        super().__init__(router)
        self._router: VyosRouter = router

    @property
    def prompt(self) -> str:
        if self._asks:
            return self._router.question
        at = f"{USER}@munich"
        return f"{at}:~$ " if self._candidate is None else f"[edit]\n{at}# "

    def answer(self, line: str) -> str:
        router, command = self._router, line.strip()
        with router.lock:
            if self._asks:
                self._asks = False
                router.start_timer()
                started = "Initialized commit-confirm; 5 minutes to confirm before reboot"
                return f"{started}\n{self._committed()}".strip()
            if router.rejects and re.search(router.rejects, command):
                return router.refusal
            if self._changed(command):
                return ""
            return self._command(command.split())

    def _command(self, words: list[str]) -> str:
        router = self._router
        match words:
            case ["configure"]:
                self._candidate = list(router.running)
            case ["exit", *_]:
                self._candidate = None
            case ["commit-confirm", _] if router.waits:
                return "Another confirm is pending"
            case ["commit-confirm", minutes]:
                self._asks = True
                return f"commit-confirm will automatically reboot in {minutes} minutes"
            case ["confirm"]:
                router.settle()
            case ["discard"]:
                self._candidate = list(router.running)
                return "Changes have been discarded"
            case ["load", "/config/config.boot"] if self._candidate != router.running:
                return "Cannot load: configuration modified."
            case ["load", "/config/config.boot"]:
                self._candidate = list(router.stored)
                return "Loading configuration from '/config/config.boot'"
            case ["commit"]:
                return self._committed()
            case ["save"]:
                router.saved += 1
                router.stored = list(router.running)
                return "Done"
            case _:
                return self._shown(words)
        return ""

    def _committed(self) -> str:
        router, candidate = self._router, self._candidate or []
        failure, router.commit_failure = router.commit_failure, ""
        part = [line for line in candidate if not line.startswith("set vpn")]
        router.running = part if failure else list(candidate)
        return failure

    def _shown(self, words: list[str]) -> str:
        router = self._router
        match words:
            case ["compare"]:
                return self._compared() or "No changes between working and active"
            case ["systemctl", *_]:
                return "active" if router.waits else "inactive"
            case ["show", "configuration", "commands"] if self._candidate is None:
                return router.text()
            case ["show", *_] if self._candidate is not None:
                return "\n  Invalid command: [show]\n"
            case _:
                return ""
