"""Adoption: the operator names the resources of a run that lost its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vpnmigrate.engine.context import RunContext
from vpnmigrate.journal.records import Adopted, AdoptionAsked
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.errors import HeldError, RefusedError
from vpnmigrate.model.errors.commands import Command, options
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.planning.ownership import candidates, ownership_of, role_to_adopt
from vpnmigrate.steps.base import NotYet

NONE = "none"
"""The value of ``--adopt`` that says that this run created none of the resources."""


class AdoptionControl:
    """Asks about each resource that may be this run's, before a run without a journal acts.

    *named* are the ids given with ``--adopt``.  They answer the question for every resource: one
    that is not among them is not this run's.  If *named* is None, *operator* is asked.
    """

    def __init__(self, context: RunContext, named: tuple[str, ...] | None) -> None:
        self._plan = context.plan
        self._operator = context.operator
        self._recorder = context.recorder
        self._who = context.claim_holder.holder
        self._named = named
        self._answers: dict[str, bool] = {}

    def resolve(self, reading: Reading, *, journal_lost: bool) -> NotYet | None:
        """Adopt the named resources, and ask about the others if the journal is lost.

        Returns what the run waits for, or None once no question is open.

        Raises:
            HeldError: No operator is present to answer; the advice is the command that answers.
            RefusedError: A given id cannot be this run's.
        """
        if self._named is not None:
            named, self._named = self._named, None
            return self._adopt_named(named, reading)
        if not journal_lost or self._recorder.state.adoptions.asked:
            return None
        open_ = candidates(reading, self._plan, self._recorder.evidence())
        for id_, role in open_.items():
            if id_ not in self._answers:
                answer = self._operator.owns(id_, role)
                if answer is None:
                    return self._unanswered(open_, id_)
                self._answers[id_] = answer
        adopted = {id_: role for id_, role in open_.items() if self._answers[id_]}
        return self._record(adopted, open_)

    def _adopt_named(self, named: tuple[str, ...], reading: Reading) -> NotYet | None:
        evidence = self._recorder.evidence()
        known = {id_ for ids in evidence.made.values() for id_ in ids}
        adopted: dict[str, Role] = {}
        unfit: dict[str, str] = {}
        for id_ in named:
            if id_ == NONE or id_ in known:
                continue
            found = role_to_adopt(id_, reading, self._plan, evidence)
            if found.role is None:
                unfit[id_] = found.why
            else:
                adopted[id_] = found.role
        if unfit:
            raise RefusedError(
                "; ".join(f"{id_} cannot be adopted: {why}" for id_, why in unfit.items()),
                advice=("leave that out:", self._command(i for i in named if i not in unfit)),
            )
        possible = ownership_of(reading, self._plan, evidence).possible
        asked = {id_: role for role, id_ in possible.items()}
        return self._record(adopted, {**asked, **candidates(reading, self._plan, evidence)})

    def _record(self, adopted: Mapping[str, Role], asked: Mapping[str, Role]) -> NotYet | None:
        refused = tuple(sorted(id_ for id_ in asked if id_ not in adopted))
        self._recorder.write(
            *(Adopted(role, id_, self._who) for id_, role in adopted.items()),
            AdoptionAsked(self._who, refused),
        )
        return NotYet("the adopted resources are recorded; observing again") if adopted else None

    def _unanswered(self, open_: Mapping[str, Role], id_: str) -> NotYet:
        if self._operator.patient:
            return NotYet(f"waiting for the operator: did this run create {id_}?")
        listed = ", ".join(f"{each} ({role})" for each, role in open_.items())
        raise HeldError(
            f"the journal is lost, so it is unknown whether this run created {listed}; "
            f"pass --adopt for each that it created, or --adopt {NONE}; the run does not change "
            "the others",
            advice=self._command(open_),
        )

    def _command(self, ids: Iterable[str]) -> Command:
        words = options("--adopt", ids) or options("--adopt", (NONE,))
        return self._recorder.resuming(self._plan).with_words(*words)
