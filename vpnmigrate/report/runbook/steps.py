"""What there is to know of each step beside its changes: sign, source of the limit, what if not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A step's constants in the document.  *source* is where its limit comes from."""

    source: str
    otherwise: str
    seen: tuple[str, ...] = ()


KNOWN: dict[tuple[int, bool], Known] = {
    (1, False): Known(
        "two consistency delays and a retry, domain.md 3.1",
        "Claimed by somebody else: talk to them, then --take-over. Another account: stop.",
    ),
    (2, False): Known(
        "creation 10 min, domain.md 3.1, and twice the consistency delay",
        "A quota: raise it, run the same command again. Nothing is interrupted.",
    ),
    (3, False): Known(
        "creation 40 min each, two at a time, ten at most, domain.md 3.1",
        "Run the same command again: what is there is found by its tags. A category other than "
        "VPN: go back and ask AWS Support.",
    ),
    (4, False): Known(
        "plain reads, retried; generous for ten connections",
        "Run the same command again. A sample that AWS denies stops nothing.",
    ),
    (5, False): Known(
        "a person's work, ahead of the window: 30 days",
        "Not ready when the window opens: do not cut over. Tunnels were enabled by mistake: "
        "disable them, watch the old ones.",
        ("TO DO: load the candidate configuration ...",),
    ),
    (6, False): Known(
        "a person's test: 7 days; its calls are bounded by EC2",
        "The test fails: do not cut over. Mend the candidate, or go back; nothing is interrupted.",
    ),
    (7, False): Known(
        "2 min a call, domain.md 3.1, many tables and throttling",
        "Run the same command again, or go back. Part of the traffic is down already.",
        ("OUTAGE BEGINS",),
    ),
    (8, False): Known(
        "on slow days 30 min to detach and 15 to attach, domain.md 3.1",
        "Still changing after the limit, or a third gateway on the VPC: branch STUCK.",
    ),
    (9, False): Known(
        "2 to 5 min a call, domain.md 3.1, many tables and throttling",
        "Run the same command again. A route that another hand moved is named and left alone.",
    ),
    (10, False): Known(
        "the playbook's waits.tunnels, for a person at each device",
        "Not green by the decision deadline: go back. Until then see Known failures: most of it "
        "is at the device.",
        (
            "TO DO: enable the tunnels of ...",
            "OUTAGE ENDED after ...",
            "TO DO: traffic flows ...: now disable the tunnels of ... (unless they are left)",
        ),
    ),
    (6, True): Known(
        "detach 30 min, then deletions that wait for leftovers, domain.md 3.1",
        "Something else is in the test VPC: remove it, run the same command again.",
    ),
    (3, True): Known(
        "deletion 30 min, domain.md 3.1, and the consistency delay",
        "Traffic flows already. Run the same command again in daylight.",
    ),
    (2, True): Known(
        "deletion 10 min, domain.md 3.1, and the consistency delay",
        "In use: its connections are not gone yet. Traffic flows already; run it again.",
    ),
    (1, True): Known(
        "two consistency delays and a retry, domain.md 3.1",
        "A claim that is not ours stays. Harmless.",
    ),
    (11, False): Known(
        "deletion 30 min, domain.md 3.1, and the consistency delay",
        "Refused while the new side does not carry traffic: leave the old connections alone.",
    ),
}
"""By step, and whether it is a clean-up."""

SEEN_BACK: dict[int, tuple[str, ...]] = {
    7: ("OUTAGE BEGINS (unless traffic is down already)",),
    10: ("TO DO: enable the tunnels of ... again, ...", "OUTAGE ENDED after ..."),
}
"""What steps of the cutover show on the way back, where that is something else."""
