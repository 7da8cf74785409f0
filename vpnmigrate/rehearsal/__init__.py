"""Rehearsal: the production engine on the sandbox.

It has the rehearsal of a plan, the rehearsal with faults, and the simulation in random worlds.
Begin with ``rehearse``, then ``with_faults`` and ``simulation``.
"""
