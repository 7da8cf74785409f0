"""A plan as commands of the AWS CLI, so that a person can finish or go back without this program.

The commands are renderings of the plan's own changes.  Each looks before it acts and waits with a
limit, so a block may be run again, and either way may be begun at any step.
"""

from vpnmigrate.byhand.blocks import back, blocks, opening

__all__ = ["back", "blocks", "opening"]
