"""Adoption: the operator names the resources of a run that lost its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vpnmigrate.commands import Command, options
from vpnmigrate.engine.context import RunContext
from vpnmigrate.errors import HeldError, RefusedError
from vpnmigrate.journal.records import Adopted, AdoptionAsked
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.planning.ownership import candidates, ownership_of, role_to_adopt
from vpnmigrate.steps.base import NotYet

NONE = "none"
"""What ``--adopt`` is given where nothing is this run's."""


class AdoptionControl:
    """Asks about each resource that may be the run's, before a run without journal acts.

    *named* are the ids given by ``--adopt``, which answer the question for every resource: what is
    not among them is not this run's.  None leaves it to *people*.
    """

    def __init__(self, context: RunContext, named: tuple[str, ...] | None) -> None:
        self._plan = context.plan
        self._operator = context.operator
        self._recorder = context.recorder
        self._who = context.claim_holder.holder
        self._named = named
        self._answers: dict[str, bool] = {}

    def resolve(self, reading: Reading, *, blind: bool) -> NotYet | None:
        """Have what was named adopted, and ask about the rest if the run is *blind*.

        Returns what is waited for, or None once nothing is open.

        Raises:
            HeldError: Nobody is here to ask; with the command that answers.
            RefusedError: An id was given that cannot be this run's.
        """
        if self._named is not None:
            named, self._named = self._named, None
            return self._take(named, reading)
        if not blind or self._recorder.state.adoption_asked:
            return None
        open_ = candidates(reading, self._plan, self._recorder.evidence())
        for id_, role in open_.items():
            if id_ not in self._answers:
                answer = self._operator.owns(id_, role)
                if answer is None:
                    return self._unanswered(open_, id_)
                self._answers[id_] = answer
        return self._settle({id_: role for id_, role in open_.items() if self._answers[id_]}, open_)

    def _take(self, named: tuple[str, ...], reading: Reading) -> NotYet | None:
        evidence = self._recorder.evidence()
        known = {id_ for ids in evidence.made.values() for id_ in ids}
        adopted: dict[str, Role] = {}
        for id_ in named:
            if id_ == NONE or id_ in known:
                continue
            found = role_to_adopt(id_, reading, self._plan, evidence)
            if found.role is None:
                raise RefusedError(
                    f"{id_} cannot be adopted: {found.why}",
                    advice=("leave it out:", self._command(i for i in named if i != id_)),
                )
            adopted[id_] = found.role
        suspects = ownership_of(reading, self._plan, evidence).suspects
        asked = {id_: role for role, id_ in suspects.items()}
        return self._settle(adopted, {**asked, **candidates(reading, self._plan, evidence)})

    def _settle(self, adopted: Mapping[str, Role], asked: Mapping[str, Role]) -> NotYet | None:
        refused = tuple(sorted(id_ for id_ in asked if id_ not in adopted))
        self._recorder.write(
            *(Adopted(role, id_, self._who) for id_, role in adopted.items()),
            AdoptionAsked(self._who, refused),
        )
        return NotYet("what this run made is known now") if adopted else None

    def _unanswered(self, open_: Mapping[str, Role], id_: str) -> NotYet:
        if self._operator.patient:
            return NotYet(f"a person has to say whether this run made {id_}")
        listed = ", ".join(f"{each} ({role})" for each, role in open_.items())
        raise HeldError(
            f"the journal is lost, and what carries this run's tags may be anybody's: {listed}; "
            f"name with --adopt what this run made, or --adopt {NONE}; the rest is left alone",
            advice=self._command(open_),
        )

    def _command(self, ids: Iterable[str]) -> Command:
        words = options("--adopt", ids) or options("--adopt", (NONE,))
        return self._recorder.resuming(self._plan).with_words(*words)
