"""What may be believed of a reading, rule by rule."""

from __future__ import annotations

from tests.builders import NEW, NOON, OLD, VPC, a_snapshot, minutes
from vpnmigrate.belief import Intent, foreign, trusted
from vpnmigrate.facts import UNKNOWN, AttachmentOf, Existence, Value
from vpnmigrate.model import Attachment, Role, State

OLD_ON_VPC = AttachmentOf(OLD, VPC)
NEW_ON_VPC = AttachmentOf(NEW, VPC)
LEAVING: frozenset[Value] = frozenset({Attachment.DETACHING, Attachment.DETACHED})
COMING: frozenset[Value] = frozenset({Attachment.ATTACHING, Attachment.ATTACHED})


def detach(*, minutes_ago: float, performed: bool = False) -> Intent:
    return Intent(OLD_ON_VPC, LEAVING, NOON - minutes(minutes_ago), performed=performed)


def attach(*, minutes_ago: float, performed: bool = False) -> Intent:
    return Intent(OLD_ON_VPC, COMING, NOON - minutes(minutes_ago), performed=performed)


class TestTrusted:
    def test_a_reading_nobody_works_on_counts_at_once(self):
        """A fact without an intent is believed as read."""
        seen = trusted(a_snapshot(old="attached"), [])

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_the_effect_of_the_latest_intent_counts_at_once(self):
        """A detach that shows is believed a second after its intent."""
        seen = trusted(a_snapshot(old="detaching"), [detach(minutes_ago=0.02)])

        assert seen.attachment(OLD, VPC) is Attachment.DETACHING

    def test_no_effect_is_not_believed_too_soon(self):
        """A detach that does not show may just be lagging: nothing is known for two minutes."""
        seen = trusted(a_snapshot(old="attached"), [detach(minutes_ago=1.9)])

        assert seen.attachment(OLD, VPC) is UNKNOWN

    def test_no_effect_is_believed_after_the_delay(self):
        """A detach that does not show after two minutes did not happen."""
        seen = trusted(a_snapshot(old="attached"), [detach(minutes_ago=2)])

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_an_effect_is_not_believed_while_an_opposite_intent_is_recent(self):
        """Detached after attach and detach within two minutes may be a reading from before both."""
        intents = [attach(minutes_ago=1), detach(minutes_ago=0.5)]

        seen = trusted(a_snapshot(old="detached"), intents)

        assert seen.attachment(OLD, VPC) is UNKNOWN

    def test_an_opposite_intent_is_forgotten_after_the_delay(self):
        """Only opposite intents of the last two minutes can be what a stale reading shows."""
        intents = [attach(minutes_ago=2), detach(minutes_ago=0.5)]

        seen = trusted(a_snapshot(old="detached"), intents)

        assert seen.attachment(OLD, VPC) is Attachment.DETACHED

    def test_repeating_an_intent_does_not_oppose_it(self):
        """Two attaches in a row want the same thing: the effect counts at once."""
        intents = [attach(minutes_ago=1), attach(minutes_ago=0.5)]

        seen = trusted(a_snapshot(old="attached"), intents)

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_absence_is_not_believed_too_soon_either(self):
        """A creation that is not listed yet is unknown, so nothing is created twice."""
        role = Role("test-vpc")
        intent = Intent(
            Existence(role), frozenset({State.PENDING, State.AVAILABLE}), NOON - minutes(1)
        )

        seen = trusted(a_snapshot(), [intent])

        assert seen.state(role) is UNKNOWN

    def test_facts_do_not_cloud_each_other(self):
        """An intent on one gateway leaves what is known of the other alone."""
        seen = trusted(a_snapshot(old="attached", new="attached"), [detach(minutes_ago=1)])

        assert seen.attachment(NEW, VPC) is Attachment.ATTACHED


class TestForeign:
    def test_a_confirmed_effect_that_is_gone_is_another_hand(self):
        """What EC2 confirmed and no longer shows, believably, somebody else undid."""
        intents = [detach(minutes_ago=10, performed=True)]

        assert foreign(trusted(a_snapshot(old="attached"), intents), intents) == {OLD_ON_VPC}

    def test_an_effect_in_doubt_that_is_not_there_simply_did_not_happen(self):
        """A call whose answer was lost and whose effect is absent is repeated, not blamed."""
        intents = [detach(minutes_ago=10)]

        assert foreign(trusted(a_snapshot(old="attached"), intents), intents) == frozenset()

    def test_an_unbelieved_reading_blames_nobody(self):
        """Within the delay a missing effect may be a stale reading."""
        intents = [detach(minutes_ago=1, performed=True)]

        assert foreign(trusted(a_snapshot(old="attached"), intents), intents) == frozenset()

    def test_only_our_latest_wish_counts(self):
        """An effect that we undid ourselves is not another hand's work."""
        intents = [
            detach(minutes_ago=10, performed=True),
            attach(minutes_ago=5, performed=True),
        ]

        assert foreign(trusted(a_snapshot(old="attached"), intents), intents) == frozenset()
