"""Model: the values of a migration, without input or output.

EC2 records, decisions, survey, snapshot, changes and plan; everything else imports them.
Begin with ``ec2``, then ``plan`` and ``changes``.
"""
