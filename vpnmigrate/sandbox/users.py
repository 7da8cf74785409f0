"""Who a client of a served sandbox is: it checks no signature, and takes a name for it.

With the access key id ``SANDBOX_BOB`` one is the user ``bob``; with any other, ``sandbox``.  So
four eyes can be tried out: one key id approves, another one carries out.
"""

from __future__ import annotations

import re
from typing import Final

USER: Final = "_SandboxUser"
"""The parameter in which a door tells GetCallerIdentity who asks; none of AWS's has such a name."""
NOBODY_IN_PARTICULAR: Final = "sandbox"

_NAMED = re.compile(r"SANDBOX_([A-Za-z0-9]{1,32})")


def user_of(access_key: str) -> str | None:
    """Give the user whom *access_key* names, if it names one."""
    named = _NAMED.fullmatch(access_key)
    return named[1].lower() if named else None
