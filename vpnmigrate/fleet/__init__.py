"""Fleet: many migrations as one campaign, in waves, by several workers.

It has the campaign file, the freeze calendar and the rules for starts, and the workers, whose runs
are in one PostgreSQL database.
Begin with ``campaign``, then ``schedule``; for the workers with ``database``, then ``worker``.
"""
