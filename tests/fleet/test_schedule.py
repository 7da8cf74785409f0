"""Schedule of a campaign: waves, freezes, limits, error budget, two paths of one site."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random
from typing import Any

from msgspec.structs import replace

from vpnmigrate.fleet.calendar import Freeze
from vpnmigrate.fleet.campaign import Campaign, FleetLimits, FleetMember, FreezeRule, Wave
from vpnmigrate.fleet.progress import (
    HOLDS_SLOT,
    USES_ERROR_BUDGET,
    CampaignProgress,
    MemberProgress,
    MemberState,
)
from vpnmigrate.fleet.schedule import (
    FleetSchedule,
    MemberStart,
    StartKind,
    WaveStatus,
    next_starts,
    schedule,
)
from vpnmigrate.model.decisions import Window

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WIDE = FleetLimits(account=100, region=100, device=100)


def member(id_: str, **changed) -> FleetMember:
    """Return a member that shares nothing with another, except where *changed* says so."""
    alone = {
        "account": "111111111111",
        "region": "eu-west-1",
        "gateway": f"vgw-{id_}",
        "plan": f"plans/{id_}.json",
        "vpc": f"vpc-{id_}",
        "customer_gateways": (f"cgw-{id_}",),
        "devices": (f"device-{id_}",),
    }
    return FleetMember(id=id_, **{**alone, **changed})


def campaign(*members: FleetMember, **changed) -> Campaign:
    """Return a campaign of one wave, with limits that are not reached."""
    return Campaign(**{"name": "c", "waves": (Wave("one", members),), "limits": WIDE, **changed})


def progress(since: datetime | None = None, /, **states: MemberState) -> CampaignProgress:
    return CampaignProgress({id_: MemberProgress(each, since) for id_, each in states.items()})


def at(plan: Campaign, known: CampaignProgress, *freezes: Freeze, now=NOW) -> FleetSchedule:
    found = schedule(plan, known, freezes, now)
    assert next_starts(plan, known, freezes, now) == found.starts
    return found


def started(found: FleetSchedule) -> dict[str, StartKind]:
    return {each.member: each.kind for each in found.starts}


def why(found: FleetSchedule) -> dict[str, str]:
    return {each.member: each.why for each in found.waits}


# ---------------------------------------------------------------- the site's other path


def test_what_is_alone_starts_and_a_staged_member_goes_on() -> None:
    """A member is prepared first; one that is staged continues with its cutover."""
    found = at(campaign(member("a"), member("b")), progress(b=MemberState.STAGED))

    assert started(found) == {"a": StartKind.PREPARE, "b": StartKind.CUTOVER}
    assert found.waits == ()


def test_each_kind_of_shared_path_keeps_the_second_member_waiting() -> None:
    """The same device in two accounts, customer gateway, VPC, or a partner in either direction."""
    elsewhere = {"account": "222222222222", "region": "us-east-1"}
    cases: dict[str, list[dict[str, Any]]] = {
        "device 192.0.2.1": [{"devices": ("192.0.2.1",)}, {**elsewhere, "devices": ("192.0.2.1",)}],
        "customer gateway cgw-1": [{"customer_gateways": ("cgw-1",)}] * 2,
        "VPC vpc-1": [{"vpc": "vpc-1"}] * 2,
        "partner a": [{"partners": ("b",)}, {}],
        "partner": [{}, {"partners": ("a",)}],
    }
    for shared, (one, other) in cases.items():
        plan = campaign(member("a", **one), member("b", **other))
        for state in HOLDS_SLOT:
            found = at(plan, progress(a=state), now=NOW)
            budget = replace(plan, error_budget=1)
            reason = why(at(budget, progress(a=state)))["b"]

            assert started(found) == {}
            assert shared in reason
            assert "under way" in reason
        assert started(at(plan, progress())) == {"a": StartKind.PREPARE}
        assert started(at(plan, progress(a=MemberState.STAGED, b=MemberState.STAGED))) == {
            "a": StartKind.CUTOVER
        }
        assert started(at(plan, progress(a=MemberState.DONE))) == {"b": StartKind.PREPARE}


def test_two_paths_of_one_site_never_hold_a_slot_together() -> None:
    """10,000 random fleets, each driven to its end: no shared path, no limit passed, canary first.

    A fifth of the starts and steps takes effect later, as with many workers.
    """
    random = Random(17)
    finished, kinds, waited = Counter[str](), Counter[str](), Counter[str]()
    for _ in range(10_000):
        plan = random_campaign(random)
        finished[_driven(plan, random, kinds, waited)] += 1

    # The draw reaches what it is about.
    assert finished["done"] > 1_000
    assert finished["stopped"] > 1_000
    assert min(kinds.values()) > 5_000
    for reason in ("the same device", "the same customer gateway", "partner", "limit of account"):
        assert sum(n for text, n in waited.items() if reason in text) > 200, reason


def random_campaign(random: Random) -> Campaign:
    """Return a campaign of up to seven members, which share much."""
    ids = [f"m{number}" for number in range(random.randint(2, 7))]
    few = range(1, random.choice((2, 4, 8)))

    def some(lead: str) -> tuple[str, ...]:
        return tuple(f"{lead}{random.choice(few)}" for _ in range(random.randint(0, 2)))

    def drawn(id_: str) -> FleetMember:
        others = [other for other in ids if other != id_]
        return FleetMember(
            id=id_,
            account=random.choice(("111111111111", "222222222222", "333333333333")),
            region=random.choice(("eu-west-1", "us-east-1")),
            gateway=f"vgw-{id_}",
            plan=f"{id_}.json",
            vpc=f"vpc-{random.randint(1, 20)}",
            customer_gateways=tuple(
                f"cgw-{random.choice(few)}" for _ in range(random.randint(0, 2))
            ),
            devices=tuple(f"192.0.2.{random.choice(few)}" for _ in range(random.randint(0, 2))),
            partners=(random.choice(others),) if random.random() < 0.2 else (),
        )

    members = [drawn(id_) for id_ in ids]
    cut = random.randint(1, len(members) - 1)
    return Campaign(
        name="c",
        waves=(Wave("canary", tuple(members[:cut])), Wave("rest", tuple(members[cut:]))),
        limits=FleetLimits(
            account=random.randint(1, 3), region=random.randint(1, 4), device=random.randint(1, 3)
        ),
        error_budget=random.randint(0, 2),
    )


NEXT_STATES = {
    MemberState.RUNNING: (MemberState.STAGED,) * 6 + (MemberState.FAILED,),
    MemberState.CUTOVER: (MemberState.DONE,) * 6 + (MemberState.FAILED, MemberState.ROLLING_BACK),
    MemberState.FAILED: (MemberState.CUTOVER, MemberState.ROLLING_BACK, MemberState.FAILED),
    MemberState.ROLLING_BACK: (MemberState.ROLLED_BACK,),
}


def _driven(plan: Campaign, random: Random, kinds: Counter[str], waited: Counter[str]) -> str:
    """Carry *plan* out until nothing can be started; return whether all of it is done."""
    states: dict[str, MemberState] = {}
    for _ in range(100):
        known = CampaignProgress({id_: MemberProgress(each, NOW) for id_, each in states.items()})
        found = schedule(plan, known, (), NOW)
        _check_allowed(plan, states, found.starts)
        waited.update(each.why for each in found.waits)
        for start in found.starts:
            if random.random() < 0.8:
                kinds[start.kind] += 1
                prepare = start.kind is StartKind.PREPARE
                states[start.member] = MemberState.RUNNING if prepare else MemberState.CUTOVER
        active = [id_ for id_, state in states.items() if state in NEXT_STATES]
        if not active and not found.starts:
            return "done" if set(states.values()) == {MemberState.DONE} else "stopped"
        for id_ in active:
            if random.random() < 0.8:
                states[id_] = random.choice(NEXT_STATES[states[id_]])
    raise AssertionError(f"the campaign does not end: {states}")


def _check_allowed(
    plan: Campaign, states: dict[str, MemberState], starts: tuple[MemberStart, ...]
) -> None:
    """Check the rules again by comparing members in pairs, from the fields of the file."""
    new = {start.member for start in starts}
    before = {m.id for m in plan.members if states.get(m.id) in HOLDS_SLOT}
    assert not new & before
    held = [m for m in plan.members if m.id in new | before]
    for one, other in combinations(held, 2):
        assert not same_site(one, other), (one, other)
    if not new:
        return
    lost = sum(state in USES_ERROR_BUDGET for state in states.values())
    assert lost <= plan.error_budget
    accounts, regions = Counter(m.account for m in held), Counter(m.region for m in held)
    assert max(accounts.values()) <= plan.limits.account
    assert max(regions.values()) <= plan.limits.region
    prepared = {s.member for s in starts if s.kind is StartKind.PREPARE}
    for each in (m for m in plan.members if m.id in prepared):
        for device in each.devices:
            there = [
                m
                for m in plan.members
                if device in m.devices
                and (m.id in new | before or states.get(m.id) is MemberState.STAGED)
            ]
            assert len(there) <= plan.limits.device
    canary, rest = plan.waves
    if new & {m.id for m in rest.members}:
        assert all(states.get(m.id) is MemberState.DONE for m in canary.members)


def same_site(one: FleetMember, other: FleetMember) -> bool:
    here = (one.account, one.region) == (other.account, other.region)
    return (
        bool(set(one.devices) & set(other.devices))
        or (here and bool(set(one.customer_gateways) & set(other.customer_gateways)))
        or (here and one.vpc == other.vpc)
        or other.id in one.partners
        or one.id in other.partners
    )


# ---------------------------------------------------------------- waves


def waves(**first) -> Campaign:
    return campaign(
        waves=(
            Wave("canary", (member("a"), member("b")), **first),
            Wave("rest", (member("c"),)),
        )
    )


def test_a_wave_begins_after_the_one_before_has_passed() -> None:
    """By success of every member; a member that was rolled back is none."""
    done, rolled_back = MemberState.DONE, MemberState.ROLLED_BACK
    begun = at(waves(), progress(a=done))
    lost = at(replace(waves(), error_budget=5), progress(a=done, b=rolled_back))
    passed = at(waves(), progress(a=done, b=done))

    assert started(begun) == {"b": StartKind.PREPARE}
    assert why(begun) == {"c": "wave canary: 1 of 2 done"}
    assert started(lost) == {}
    assert why(lost) == {"c": "wave canary: 1 of 2 done"}
    assert started(passed) == {"c": StartKind.PREPARE}
    assert [view.status for view in passed.waves] == [WaveStatus.PASSED, WaveStatus.OPEN]


def test_a_wave_soaks_from_its_last_success() -> None:
    """The next wave begins when the soak has passed, and not while its begin is unknown."""
    plan, done = waves(soak=24 * HOUR), MemberState.DONE
    early = CampaignProgress({"a": MemberProgress(done, NOW - 30 * HOUR)})
    early = replace(early, members={**early.members, "b": MemberProgress(done, NOW - HOUR)})

    assert why(at(plan, early)) == {"c": "wave canary soaks until 2026-11-29 01:00:00Z"}
    assert started(at(plan, early, now=NOW + 23 * HOUR)) == {"c": StartKind.PREPARE}
    assert "is unknown" in why(at(plan, progress(None, a=done, b=done)))["c"]


def test_a_wave_that_needs_a_person_waits_for_the_approval() -> None:
    """In the file, or given from elsewhere; an approval of another wave is none."""
    plan = waves(approval=True)
    approved = replace(plan, waves=(replace(plan.waves[0], approved_by="ann"), plan.waves[1]))
    both = {"a": StartKind.PREPARE, "b": StartKind.PREPARE}

    assert set(why(at(plan, progress())).values()) == {
        "wave canary is not approved",
        "wave canary: 0 of 2 done",
    }
    assert started(at(plan, CampaignProgress(approved={"rest": "ann"}))) == {}
    assert started(at(plan, CampaignProgress(approved={"canary": "ann"}))) == both
    assert started(at(approved, progress())) == both


def test_cutovers_begin_in_the_window_of_their_wave() -> None:
    """What interrupts nothing may be prepared before it."""
    window = Window(NOW, NOW + 2 * HOUR, "tonight")
    plan, states = waves(window=window), progress(a=MemberState.STAGED)
    prepare, cutover = StartKind.PREPARE, StartKind.CUTOVER

    assert started(at(plan, states, now=NOW - HOUR)) == {"b": prepare}
    assert "begins at" in why(at(plan, states, now=NOW - HOUR))["a"]
    assert started(at(plan, states)) == {"a": cutover, "b": prepare}
    assert "ended at" in why(at(plan, states, now=NOW + 2 * HOUR))["a"]


# ---------------------------------------------------------------- what holds everything


def test_a_freeze_stops_starts_and_so_does_its_margin() -> None:
    """Nothing begins in a freeze, or so late before it that a rollback would end in it."""
    plan = replace(campaign(member("a")), freeze=FreezeRule("freeze.ics", margin=2 * HOUR))
    freeze = Freeze(NOW, NOW + HOUR, "Black Friday")

    assert started(at(plan, progress(), freeze, now=NOW - 3 * HOUR))
    assert at(plan, progress(), freeze, now=NOW - 2 * HOUR).held == (
        "Black Friday: the freeze begins at 2026-11-28 02:00:00Z",
    )
    assert why(at(plan, progress(), freeze)) == {
        "a": "Black Friday: frozen until 2026-11-28 03:00:00Z"
    }
    assert started(at(plan, progress(), freeze, now=NOW + HOUR))


def test_the_error_budget_stops_starts_at_one_more() -> None:
    """Failures, rollbacks that run and those that are done count; a success does not."""
    members = [member(id_) for id_ in "abcd"]
    for state in USES_ERROR_BUDGET:
        one, two = progress(a=state, d=MemberState.DONE), progress(a=state, b=state)

        assert started(at(campaign(*members), one)) == {}
        assert set(started(at(campaign(*members, error_budget=1), one))) == {"b", "c"}
        assert at(campaign(*members, error_budget=1), two).held == (
            "the error budget of 1 is used up: a, b",
        )


def test_every_reason_that_holds_everything_is_named() -> None:
    """Who ends a pause learns what holds the campaign after that."""
    plan = replace(campaign(member("a"), member("b")), freeze=FreezeRule("freeze.ics"))
    states = {"b": MemberProgress(MemberState.FAILED)}
    found = at(plan, CampaignProgress(states, paused="ann"), Freeze(NOW, NOW + HOUR, "Peak"))

    assert [each.partition(":")[0] for each in found.held] == [
        "the campaign is paused",
        "the error budget of 0 is used up",
        "Peak",
    ]
    assert why(found) == {"a": "; ".join(found.held)}


def test_a_pause_and_an_unknown_run_hold_everything() -> None:
    """A run of a gateway that was removed from the file may share a path with any other."""
    plan = campaign(member("a"))

    assert started(at(plan, CampaignProgress(paused="ann on laptop"))) == {}
    assert "gone is cutover" in " ".join(at(plan, progress(gone=MemberState.CUTOVER)).held)
    assert started(at(plan, progress(gone=MemberState.DONE))) == {"a": StartKind.PREPARE}


def test_what_runs_beside_the_campaign_holds_its_site() -> None:
    """A run that was started by hand is counted like a member, and no path is shared with it."""
    plan = campaign(member("a", devices=("x",)), member("b"))
    by_hand = CampaignProgress(others=(member("run m-1", devices=("x",)),))

    found = at(plan, by_hand)

    assert started(found) == {"b": StartKind.PREPARE}
    assert why(found) == {"a": "run m-1 is under way at the same device x"}
    assert started(at(replace(plan, limits=FleetLimits(account=1)), by_hand)) == {}


def test_limits_hold_for_accounts_regions_and_devices() -> None:
    """A device's limit counts what is staged on it; the others count slots."""
    two = (member("a"), member("b", account="222222222222"))
    same = (member("a", devices=("x",)), member("b", devices=("x",)))

    def limited(*members: FleetMember, waves=None, **limits: int) -> Campaign:
        found = campaign(*members, limits=replace(WIDE, **limits))
        return replace(found, waves=waves or found.waves)

    one_account = at(limited(member("a"), member("b"), account=1), progress())
    one_region = at(limited(*two, region=1), progress())
    later = Wave("one", same, window=Window(NOW + HOUR, NOW + 2 * HOUR, "later"))
    staged = at(limited(device=1, waves=(later,)), progress(b=MemberState.STAGED))

    assert why(one_account) == {"b": "the limit of account 111111111111, 1, is reached"}
    assert why(one_region) == {"b": "the limit of eu-west-1, 1, is reached"}
    assert started(staged) == {}
    assert why(staged)["a"] == "the limit of device x, 1, is reached"
    assert started(at(limited(device=2, waves=(later,)), progress(b=MemberState.STAGED)))
