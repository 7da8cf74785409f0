"""AWS: every boto3 call, and the translation between EC2's answers and this program's values.

Pre-shared keys leave this package for the vault only.
Begin with ``account``, then ``reading`` (observations), ``survey`` and ``outcomes`` (of changes).
"""
