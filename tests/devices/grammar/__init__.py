"""Vendors' own grammars of configuration commands, as small extracts.

``tree`` reads an extract and checks commands; ``vyos`` and ``junos`` write the extracts
``vyos-1.4.txt``, ``vyos-1.5.txt`` and ``junos-srx.txt`` from a checkout of the vendor's repository.
"""
