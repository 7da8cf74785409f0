"""AWS: every boto3 call, and EC2's answers as values of this program.

Pre-shared keys leave this package for the vault only.
Begin with ``account``, then ``reading`` (observations), ``survey`` and ``outcomes`` (of changes).
"""
