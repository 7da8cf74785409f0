"""Engine: runs and resumes a plan, step by step.

The step loop, gates, pause, deadline and commit-confirm reach the world through ``ports`` alone.
Begin with ``runner``, then ``step_loop`` and ``ports``.
"""
