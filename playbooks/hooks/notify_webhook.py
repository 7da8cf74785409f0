#!/usr/bin/env python3
"""Post what a run tells its hooks to a webhook.  An example: copy it and make it yours.

In a playbook:

    hooks:
      outage-began: [/usr/local/lib/change/notify_webhook.py]
      outage-ended: [/usr/local/lib/change/notify_webhook.py]
      failed: [/usr/local/lib/change/notify_webhook.py]

The address comes from the environment, since arguments are in the plan for everybody to read:

    export VPNMIGRATE_WEBHOOK_URL=https://chat.example.org/hooks/...

The message has a sentence in ``text``, which most chats show, and the whole document beside it.
Whatever goes wrong ends in an exit status that is not 0, which the run notes.
"""

import json
import os
import sys
import urllib.request
from typing import Any

SECONDS = 10


def sentence(told: dict[str, Any]) -> str:
    """Say in one line what happened."""
    change = f" ({told['change']})" if told["change"] else ""
    parts = [f"{told['run']}{change}: {told['moment'].replace('-', ' ')}"]
    if told["step"]:
        parts.append(f"step {told['step']}: {told['title']}")
    parts.append(f"traffic: {told['traffic']}")
    if told["outage_since"]:
        parts.append(f"outage {told['outage_seconds']:.0f} s")
    if told["why"]:
        parts.append(told["why"])
    return "; ".join(parts)


def main() -> None:
    """Read the document, post it, and say what the other side answered."""
    address = os.environ.get("VPNMIGRATE_WEBHOOK_URL", "")
    if not address.startswith(("https://", "http://")):
        sys.exit("set VPNMIGRATE_WEBHOOK_URL to the address of the webhook")
    told = json.load(sys.stdin)
    request = urllib.request.Request(  # noqa: S310  looked at above
        address,
        data=json.dumps({"text": sentence(told), "vpnmigrate": told}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        sys.stdout.write(f"{answer.status}\n")


if __name__ == "__main__":
    main()
