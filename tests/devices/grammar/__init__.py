"""Vendors' own grammars of configuration commands, as small extracts.

``tree`` reads an extract and checks commands; ``vyos`` and ``junos`` write ``vyos.txt`` and
``junos-srx.txt`` from a checkout of the vendor's repository.
"""
