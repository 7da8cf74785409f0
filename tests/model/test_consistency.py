"""Which values of a reading are used, rule by rule."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.builders import BOTH, MAIN, NEW, NOON, OLD, VPC, a_snapshot, a_table, minutes
from tests.support.stage import Lookout
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, Intended
from vpnmigrate.model.changes import AssociateEdge, AttachVpnGateway
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.consistency import SentChange, by_fact, externally_changed, mask_stale
from vpnmigrate.model.ec2 import Attachment, ResourceState, Role, RouteTableId
from vpnmigrate.model.facts import (
    UNKNOWN,
    AttachmentOf,
    EdgeAssociation,
    Existence,
    Propagation,
    Switch,
    Value,
)
from vpnmigrate.model.snapshot import Snapshot

OLD_ON_VPC = AttachmentOf(OLD, VPC)
NEW_ON_VPC = AttachmentOf(NEW, VPC)
PROPAGATION = Propagation(MAIN, OLD)
LEAVING: frozenset[Value] = frozenset({Attachment.DETACHING, Attachment.DETACHED})
COMING: frozenset[Value] = frozenset({Attachment.ATTACHING, Attachment.ATTACHED})


def detach(*, minutes_ago: float, performed: bool = False) -> SentChange:
    return SentChange(OLD_ON_VPC, LEAVING, NOON - minutes(minutes_ago), performed=performed)


def attach(*, minutes_ago: float, performed: bool = False) -> SentChange:
    return SentChange(OLD_ON_VPC, COMING, NOON - minutes(minutes_ago), performed=performed)


class TestTrusted:
    def test_a_reading_nobody_works_on_counts_at_once(self):
        """The value of a fact without an intent is used as read."""
        seen = mask_stale(a_snapshot(old="attached"), [])

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_the_effect_of_the_latest_intent_counts_at_once(self):
        """A visible detach is used a second after its intent."""
        seen = mask_stale(a_snapshot(old="detaching"), [detach(minutes_ago=0.02)])

        assert seen.attachment(OLD, VPC) is Attachment.DETACHING

    def test_no_effect_is_not_believed_too_soon(self):
        """A detach that is not visible may be delayed: the value is unknown for two minutes."""
        seen = mask_stale(a_snapshot(old="attached"), [detach(minutes_ago=1.9)])

        assert seen.attachment(OLD, VPC) is UNKNOWN

    def test_no_effect_is_believed_after_the_delay(self):
        """A detach that is not visible after two minutes did not happen."""
        seen = mask_stale(a_snapshot(old="attached"), [detach(minutes_ago=2)])

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_an_effect_is_not_believed_while_an_opposite_intent_is_recent(self):
        """Detached after attach and detach within two minutes may be a reading from before both."""
        intents = [attach(minutes_ago=1), detach(minutes_ago=0.5)]

        seen = mask_stale(a_snapshot(old="detached"), intents)

        assert seen.attachment(OLD, VPC) is UNKNOWN

    def test_an_opposite_intent_is_forgotten_after_the_delay(self):
        """A stale reading can only show opposite intents of the last two minutes."""
        intents = [attach(minutes_ago=2), detach(minutes_ago=0.5)]

        seen = mask_stale(a_snapshot(old="detached"), intents)

        assert seen.attachment(OLD, VPC) is Attachment.DETACHED

    def test_repeating_an_intent_does_not_oppose_it(self):
        """Two attaches in a row have the same effect: it counts at once."""
        intents = [attach(minutes_ago=1), attach(minutes_ago=0.5)]

        seen = mask_stale(a_snapshot(old="attached"), intents)

        assert seen.attachment(OLD, VPC) is Attachment.ATTACHED

    def test_absence_is_not_believed_too_soon_either(self):
        """A creation that is not listed yet is unknown, so nothing is created twice."""
        role = Role("test-vpc")
        come = frozenset({ResourceState.PENDING, ResourceState.AVAILABLE})
        intent = SentChange(Existence(role), come, NOON - minutes(1), performed=False)

        seen = mask_stale(a_snapshot(), [intent])

        assert seen.state(role) is UNKNOWN

    def test_facts_do_not_cloud_each_other(self):
        """An intent for one gateway does not affect facts of the other."""
        seen = mask_stale(a_snapshot(old="attached", new="attached"), [detach(minutes_ago=1)])

        assert seen.attachment(NEW, VPC) is Attachment.ATTACHED


def switch(to: Switch, *, minutes_ago: float, performed: bool = True) -> SentChange:
    at = NOON - minutes(minutes_ago)
    return SentChange(PROPAGATION, frozenset({to}), at, performed=performed)


class TestKnownFromAnswers:
    OFF_THEN_ON = (switch(Switch.OFF, minutes_ago=1), switch(Switch.ON, minutes_ago=0.5))

    def test_answers_in_order_tell_what_a_setting_is(self):
        """Propagation that was confirmed off and then on is on, without a delay."""
        seen = mask_stale(a_snapshot(), self.OFF_THEN_ON)

        assert seen.propagates(MAIN, OLD) is Switch.ON

    def test_but_the_reading_behind_it_may_be_stale(self):
        """Other values in such a reading, above all its routes, prove nothing yet."""
        assert mask_stale(a_snapshot(), self.OFF_THEN_ON).stale == {PROPAGATION}

    def test_an_answer_that_never_came_leaves_it_unknown(self):
        """With one of the two in doubt, the order of their effects is not known."""
        doubtful = (switch(Switch.OFF, minutes_ago=1, performed=False), self.OFF_THEN_ON[1])

        assert mask_stale(a_snapshot(), doubtful).propagates(MAIN, OLD) is UNKNOWN

    def test_a_reading_without_the_effect_is_still_not_believed(self):
        """Confirmed on and read as off: the reading is stale."""
        now = a_snapshot(tables=[a_table(MAIN), a_table(BOTH)])

        assert mask_stale(now, self.OFF_THEN_ON).propagates(MAIN, OLD) is UNKNOWN


def doubtful(change: SentChange, *, already: bool = False) -> SentChange:
    return replace(change, performed=False, already=already)


class TestLikely:
    """Values to act on while traffic is down: a call without an answer counts as not done."""

    ATTACHED_THEN_DETACHED = (
        attach(minutes_ago=1, performed=True),
        detach(minutes_ago=0.1, performed=True),
    )

    def likely(self, old: str, *intents: SentChange) -> Value:
        return mask_stale(a_snapshot(old=old), intents).acting.attachment(OLD, VPC)

    def test_a_call_in_doubt_without_an_effect_is_repeated(self):
        """A gateway that still shows as attached is likely attached: the detach is due again."""
        assert self.likely("attached", detach(minutes_ago=0.1)) is Attachment.ATTACHED

    def test_so_is_one_whose_effect_may_be_an_older_state(self):
        """Detached may be a reading from before the attach, so the detach is due again."""
        before = self.ATTACHED_THEN_DETACHED[0]

        assert self.likely("detached", before, detach(minutes_ago=0.1)) is Attachment.ATTACHED
        assert self.likely("detached", before, self.ATTACHED_THEN_DETACHED[1]) is (
            Attachment.DETACHED
        )

    def test_an_answered_call_is_not_repeated(self):
        """A confirmed detach that does not show yet is likely in progress."""
        assert self.likely("attached", *self.ATTACHED_THEN_DETACHED) is Attachment.DETACHING

    def test_nothing_left_to_do_is_evidence(self):
        """A detach that EC2 calls done already counts together with a reading that shows it."""
        before = self.ATTACHED_THEN_DETACHED[0]
        done = doubtful(detach(minutes_ago=0.1), already=True)

        assert self.likely("detached", before, done) is Attachment.DETACHED
        assert self.likely("attached", before, done) is Attachment.ATTACHED, "it is tried again"

    def test_answers_tell_what_a_setting_is_likely_to_be(self):
        """A setting has the value of the last answer, whatever a lagging describe shows."""
        off, on = switch(Switch.OFF, minutes_ago=1), switch(Switch.ON, minutes_ago=0.5)
        lost = doubtful(off)
        shown_on = a_snapshot()
        shown_off = a_snapshot(tables=[a_table(MAIN), a_table(BOTH)])

        def likely(now: Snapshot, *intents: SentChange) -> Value:
            return mask_stale(now, intents).acting.propagates(MAIN, OLD)

        assert likely(shown_off, lost, on) is Switch.ON
        assert likely(shown_on, off, doubtful(on)) is Switch.OFF
        assert likely(shown_off, off, doubtful(on)) is Switch.OFF

    def test_a_table_that_is_gone_has_no_settings(self):
        """Answers say nothing about a table that was deleted since."""
        now = a_snapshot(tables=[a_table(BOTH)])
        on = switch(Switch.ON, minutes_ago=0.5)

        assert mask_stale(now, [on]).acting.propagates(MAIN, OLD) is Switch.OFF

    def test_a_creation_keeps_waiting_for_proof(self):
        """A repeated creation makes a second resource, so its absence is never likely."""
        role = Role("test-vpc")
        come = frozenset({ResourceState.PENDING, ResourceState.AVAILABLE})
        intent = SentChange(Existence(role), come, NOON - minutes(1), performed=False)

        assert mask_stale(a_snapshot(), [intent]).acting.state(role) is UNKNOWN

    def test_a_verdict_does_not_see_it(self):
        """The snapshot itself keeps the value unknown."""
        seen = mask_stale(a_snapshot(old="detached"), self.ATTACHED_THEN_DETACHED)

        assert seen.attachment(OLD, VPC) is UNKNOWN
        assert seen.stale == {OLD_ON_VPC}
        assert seen.acting.stale == frozenset()


class TestForeign:
    def test_a_confirmed_effect_that_is_gone_is_another_hand(self):
        """A confirmed change that a fresh reading does not show was undone outside this run."""
        intents = [detach(minutes_ago=10, performed=True)]

        assert externally_changed(
            mask_stale(a_snapshot(old="attached"), intents), by_fact(intents)
        ) == {OLD_ON_VPC}

    def test_an_effect_in_doubt_that_is_not_there_simply_did_not_happen(self):
        """A call with a lost answer and no effect is repeated; it is not an external change."""
        intents = [detach(minutes_ago=10)]

        assert (
            externally_changed(mask_stale(a_snapshot(old="attached"), intents), by_fact(intents))
            == frozenset()
        )

    def test_an_unbelieved_reading_blames_nobody(self):
        """Within the delay a missing effect may be a stale reading."""
        intents = [detach(minutes_ago=1, performed=True)]

        assert (
            externally_changed(mask_stale(a_snapshot(old="attached"), intents), by_fact(intents))
            == frozenset()
        )

    def test_an_opposite_call_in_doubt_may_have_been_carried_out_late(self):
        """A detach without an answer may take effect after a confirmed attach: it is repeated."""
        came_late = [detach(minutes_ago=3.5), attach(minutes_ago=3, performed=True)]
        answered = [replace(came_late[0], performed=True), came_late[1]]
        long_ago = [detach(minutes_ago=9.5), attach(minutes_ago=9, performed=True)]
        apart = [detach(minutes_ago=9), attach(minutes_ago=3, performed=True)]
        now = a_snapshot(old="detached")

        assert externally_changed(now, by_fact(came_late)) == frozenset()
        for intents in (answered, long_ago, apart):
            assert externally_changed(now, by_fact(intents)) == {OLD_ON_VPC}

    def test_only_our_latest_wish_counts(self):
        """An effect that this run undid is not an external change."""
        intents = [
            detach(minutes_ago=10, performed=True),
            attach(minutes_ago=5, performed=True),
        ]

        assert (
            externally_changed(mask_stale(a_snapshot(old="attached"), intents), by_fact(intents))
            == frozenset()
        )


class TestEdgeTables:
    """Case 14: no answer shows the effect of a detach on edge associations."""

    TABLE = RouteTableId("rtb-edge")
    TIE = EdgeAssociation(TABLE, OLD)

    def seen(self, book: RunRecorder, *, tied: bool, minute: float = 0) -> Value:
        """Return the value of the edge association if a describe shows it, or does not."""
        edge = a_table(self.TABLE, edge_of=OLD)
        tables = [edge if tied else a_table(self.TABLE)]
        now = a_snapshot(tables=tables, begun=NOON + minutes(minute))
        return mask_stale(now, book.sent.with_side_effects([edge])).value(self.TIE)

    def test_a_tie_that_is_listed_may_be_a_reading_from_before_the_detach(self):
        """Soon after the gateway was attached again only the absence of the association is used."""
        book = RunRecorder(MemoryJournal(VirtualClock(NOON)), Lookout())
        book.write(Intended(1, 8, AttachVpnGateway(OLD, VPC)), Answered(1, Performed("req-1")))

        assert self.seen(book, tied=True) is UNKNOWN
        assert self.seen(book, tied=False) is Switch.OFF
        assert self.seen(book, tied=True, minute=2) is Switch.ON

    def test_a_tie_that_was_made_since_counts_at_once(self):
        """This run's association after the attach is used as soon as it is visible."""
        book = RunRecorder(MemoryJournal(VirtualClock(NOON)), Lookout())
        book.write(Intended(1, 8, AttachVpnGateway(OLD, VPC)), Answered(1, Performed("req-1")))
        book.write(Intended(2, 9, AssociateEdge(self.TABLE, OLD)), Answered(2, Performed("req-2")))

        assert self.seen(book, tied=True) is Switch.ON
        assert self.seen(book, tied=False) is UNKNOWN
