"""Rehearsal: the production engine on the sandbox.

One rehearsal of a plan, the same with faults, and simulation in random worlds.
Begin with ``rehearse``, then ``with_faults`` and ``simulation``.
"""
