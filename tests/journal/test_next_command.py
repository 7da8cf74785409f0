"""Next command for the operator."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.builders import OLD, OLD_VPN
from tests.support.journals import OPENED, Story, ask
from vpnmigrate.journal import confirmation_for_step, done_command, next_command, replay
from vpnmigrate.journal.records import (
    AbortAsked,
    Failed,
    FinalizeRequested,
    Finished,
    Held,
    Interrupted,
    Paused,
    ResidueLeft,
)
from vpnmigrate.model.changes import RemoveClaim
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.model.snapshot import Confirmation

APPLY = "vpnmigrate apply mig"
BY_STEPS = msgspec.structs.replace(OPENED, step=True)
FINALIZE = "vpnmigrate finalize mig --confirm vpn-old --confirm vpn-other"
CLAIMED = ResidualChange(RemoveClaim(OLD, "ann@desk"), "denied")
ASKED = (
    Story().opened().set_out().begun(5).intended(5, ask(5, Confirmation.DEVICES_CONFIGURED)).records
)


def retiring() -> Story:
    """Return a finalize that also deletes the old gateway."""
    story = Story().migrated().opened().then(FinalizeRequested(delete_old_gateway=True))
    return story.set_out(Direction.FINALIZE).begun(11)


@pytest.mark.parametrize(
    ("story", "command"),
    [
        (Story(), APPLY),
        (Story().then(Paused("bob", "desk")), f"vpnmigrate continue mig && {APPLY}"),
        (Story().then(AbortAsked("bob", "desk")), f"vpnmigrate continue mig && {APPLY}"),
        (Story().staged(), APPLY),
        (Story().staged().then(Held("staged", 6)), APPLY),
        (Story().staged().cut().then(Failed("no", 9, stuck=True)), APPLY),
        (Story().staged().then(BY_STEPS), f"{APPLY} --step"),
        (Story().staged().then(BY_STEPS).cut().then(Interrupted("SIGINT")), f"{APPLY} --step"),
        (Story().migrated().returned().then(BY_STEPS), f"{APPLY} --step"),
        (Story().staged().cut().then(Interrupted("SIGINT")), APPLY),
        (Story().then(*ASKED), APPLY),
        (Story().then(*ASKED, Held("a person", 5)), APPLY),
        (Story().migrated(), FINALIZE),
        (Story().migrated().set_out(Direction.ROLLBACK).begun(7), "vpnmigrate rollback mig"),
        (
            Story().migrated().set_out(Direction.ROLLBACK, keep_new=True).begun(7),
            "vpnmigrate rollback mig --keep-new",
        ),
        (Story().migrated().returned(), APPLY),
        (Story().migrated().opened().set_out(Direction.FINALIZE).begun(11), FINALIZE),
        (retiring(), f"{FINALIZE} --delete-old-gateway"),
        (
            retiring().then(Paused("bob", "desk")),
            f"vpnmigrate continue mig && {FINALIZE} --delete-old-gateway",
        ),
        (Story().migrated().finalized(), ""),
        (
            Story()
            .migrated()
            .set_out(Direction.ROLLBACK, keep_new=True)
            .then(ResidueLeft((CLAIMED,)), Finished(Direction.ROLLBACK)),
            "vpnmigrate rollback mig --keep-new",
        ),
    ],
)
def test_every_status_has_a_command(story: Story, command: str) -> None:
    """The next command follows from the state of the run; a finalized run has none."""
    confirm = [OLD_VPN, VpnConnectionId("vpn-other")]

    command_now = next_command(replay(story.entries), "mig", confirm, alive=False)

    assert str(command_now or "") == command


def test_a_task_is_reported_as_done_by_a_command_of_its_own() -> None:
    """The next command never says for a person that a task is done; ``done`` does, once it is."""
    asked, staged = replay(Story().then(*ASKED).entries), replay(Story().staged().entries)

    assert str(next_command(asked, "mig", [], alive=True)) == APPLY
    assert str(done_command(asked, "mig")) == "vpnmigrate done mig 5"
    assert done_command(staged, "mig") is None


@pytest.mark.parametrize(
    ("story", "step", "word"),
    [
        (Story().staged(), 5, Confirmation.DEVICES_CONFIGURED),
        (Story().staged(), 6, Confirmation.TEST_PASSED),
        (Story().staged().cut().begun(10), 10, Confirmation.NEW_TUNNELS_ENABLED),
        (Story().staged().cut().begun(10).flowing(), 10, Confirmation.OLD_TUNNELS_DISABLED),
        (
            Story().staged().cut().set_out(Direction.ROLLBACK).begun(10),
            10,
            Confirmation.TUNNELS_RETURNED,
        ),
        (Story().staged(), 8, None),
        (Story().staged().set_out(Direction.ROLLBACK), 5, None),
        (Story().migrated().opened().set_out(Direction.FINALIZE), 10, None),
        (Story(), 5, None),
    ],
)
def test_a_step_number_means_what_is_asked_there(
    story: Story, step: int, word: Confirmation | None
) -> None:
    """``done STEP`` gives the confirmation that the step waits for in the current direction."""
    assert confirmation_for_step(step, replay(story.entries)) is word
