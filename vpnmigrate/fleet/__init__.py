"""Fleet: many migrations as one campaign, in waves, by several workers.

The campaign file, the freeze calendar, and the rule of what may be started now; and the workers,
with PostgreSQL as the one truth about every run.
Begin with ``campaign``, then ``schedule``; for the workers with ``database``, then ``worker``.
"""
