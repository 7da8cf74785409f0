"""Fleet: many migrations as one campaign, in waves.

The campaign file, the freeze calendar, and the rule of what may be started now.
Begin with ``campaign``, then ``schedule``.
"""
