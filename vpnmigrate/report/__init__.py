"""Report: plans, runs and rehearsals as text, JSON, Markdown and HTML.

Every view is a pure function of values; only ``console`` and ``terminal`` print.
Begin with ``document``, then ``plan`` and ``status``.
"""
