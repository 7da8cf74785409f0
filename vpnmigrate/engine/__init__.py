"""Engine: runs and resumes a plan, step by step.

The step loop, gates, pause, deadline and commit-confirm use the outside world only through
``ports``.  Begin with ``runner``, then ``step_loop`` and ``ports``.
"""
