"""Every boto3 call there is, and the translation between EC2's answers and our values.

Keys come in with connections' configurations.  They leave this room only to the vault, or back
to EC2 when a plan re-uses them.
"""
