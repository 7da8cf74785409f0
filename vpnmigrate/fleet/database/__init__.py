"""Database: plans, journals, leases and messages of a fleet's runs, in PostgreSQL.

Begin with ``schema`` for what is stored, then ``leases`` for who may write it and ``journal`` for
how a run's records are appended.  A run's journal has the same lines and the same hash chain as the
file of a single machine.

Every time limit of a lease counts by the database's clock, so the clocks of the workers need not
agree.  Nothing here has a pre-shared key: device files stay in the vault of the worker that read
them, and records are redacted before they are sent.
"""
