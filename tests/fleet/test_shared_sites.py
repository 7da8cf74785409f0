"""Several campaigns: two paths of one site never hold a slot together, whoever started them."""

from __future__ import annotations

from itertools import combinations
from random import Random

from msgspec.structs import replace

from tests.fleet.test_schedule import NEXT_STATES, NOW, member, random_campaign, same_site
from tests.fleet.test_schedule import campaign as campaign_of
from vpnmigrate.fleet.campaign import Campaign, FleetLimits, FleetMember
from vpnmigrate.fleet.progress import HOLDS_SLOT, CampaignProgress, MemberProgress, MemberState
from vpnmigrate.fleet.schedule import StartKind
from vpnmigrate.fleet.shared_sites import CampaignFacts, SiteHolder, starts_across

States = dict[tuple[str, str], MemberState]


def started(campaigns: list[Campaign], states: States, *alone: SiteHolder) -> list[tuple[str, str]]:
    """Start what may be started now, and return campaign and member of each."""
    found = []
    for name, start in starts_across(facts(campaigns, states), alone, NOW):
        prepares = start.kind is StartKind.PREPARE
        states[name, start.member] = MemberState.RUNNING if prepares else MemberState.CUTOVER
        found.append((name, start.member))
    return found


def facts(campaigns: list[Campaign], states: States) -> list[CampaignFacts]:
    return [
        CampaignFacts(
            each,
            CampaignProgress(
                {
                    m.id: MemberProgress(states[each.name, m.id], NOW)
                    for m in each.members
                    if (each.name, m.id) in states
                }
            ),
        )
        for each in campaigns
    ]


def test_two_paths_of_one_site_never_hold_a_slot_together_across_campaigns() -> None:
    """1,000 random pairs and triples of campaigns over the same gateways and devices."""
    random = Random(62)
    kept_apart = both = 0
    for _ in range(1_000):
        drawn = range(random.randint(2, 3))
        campaigns = [replace(random_campaign(random), name=f"c{n}") for n in drawn]
        states: States = {}
        for _ in range(12):
            started(campaigns, states)
            held = [
                (each.name, m)
                for each in campaigns
                for m in each.members
                if states.get((each.name, m.id)) in HOLDS_SLOT
            ]
            both += len({name for name, _ in held}) > 1
            for (first, one), (second, other) in combinations(held, 2):
                shares = same_site(one, other) if first == second else at_one_site(one, other)
                assert not shares, (first, one, second, other)
            kept_apart += any(at_one_site(*pair) for pair in waiting(campaigns, states, held))
            for key in [key for key, state in states.items() if state in NEXT_STATES]:
                if random.random() < 0.8:
                    states[key] = random.choice(NEXT_STATES[states[key]])

    # The draw reaches what it is about.
    assert both > 500
    assert kept_apart > 500


def at_one_site(one: FleetMember, other: FleetMember) -> bool:
    """Return whether members of two campaigns are at one site; partners are those of one file."""
    here = (one.account, one.region) == (other.account, other.region)
    alone = replace(one, partners=()), replace(other, partners=())
    return same_site(*alone) or (here and one.gateway == other.gateway)


def waiting(
    campaigns: list[Campaign], states: States, held: list[tuple[str, FleetMember]]
) -> list[tuple[FleetMember, FleetMember]]:
    """Return the pairs of a member that has not begun and a holder of another campaign."""
    return [
        (m, other)
        for each in campaigns
        for m in each.members
        if (each.name, m.id) not in states
        for name, other in held
        if name != each.name
    ]


def test_a_holder_elsewhere_is_named() -> None:
    """In another campaign, or without one; the member starts once it has given its slot back."""
    one = replace(campaign_of(member("a", devices=("x",))), name="one")
    two = replace(campaign_of(member("b", devices=("x",))), name="two")
    states: States = {}
    assert started([one, two], states) == [("one", "a")]
    assert started([one, two], states) == []

    states["one", "a"] = MemberState.STAGED
    by_hand = SiteHolder("", member("run m-1", devices=("x",)), MemberState.CUTOVER)
    assert started([one, two], dict(states), by_hand) == []
    assert by_hand.label == "run m-1"


def test_what_is_staged_elsewhere_counts_at_its_device_alone() -> None:
    """The slot is free, and the limit of the device is not."""
    limits = FleetLimits(account=9, region=9, device=1)
    one = replace(campaign_of(member("a", devices=("x",))), name="one", limits=limits)
    staged = SiteHolder("", member("run m-1", devices=("x",)), MemberState.STAGED)

    assert started([one], {}, staged) == []
    assert started([replace(one, limits=replace(limits, device=2))], {}, staged) == [("one", "a")]
