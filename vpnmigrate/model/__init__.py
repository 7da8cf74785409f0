"""Model: the values of a migration, without input or output.

EC2 records, decisions, survey, snapshot, changes, plan and errors; everything else imports them.
Begin with ``ec2``, then ``plan`` and ``changes``.  ``errors`` imports nothing of the program.
"""
