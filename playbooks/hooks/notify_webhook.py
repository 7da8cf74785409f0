#!/usr/bin/env python3
"""Post the input of a hook to a webhook.  An example: copy it and adapt it.

In a playbook:

    hooks:
      outage-began: [/usr/local/lib/change/notify_webhook.py]
      outage-ended: [/usr/local/lib/change/notify_webhook.py]
      failed: [/usr/local/lib/change/notify_webhook.py]

The address comes from the environment, because arguments are readable in the plan:

    export VPNMIGRATE_WEBHOOK_URL=https://chat.example.org/hooks/...

The message has a sentence in ``text``, which most chats show, and the whole document with it.
Every failure ends in a nonzero exit status, which the run records.
"""

import json
import os
import sys
import urllib.request
from typing import Any

SECONDS = 10


def sentence(event: dict[str, Any]) -> str:
    """Return one line that describes *event*."""
    change = f" ({event['change']})" if event["change"] else ""
    parts = [f"{event['run']}{change}: {event['moment'].replace('-', ' ')}"]
    if event["step"]:
        parts.append(f"step {event['step']}: {event['title']}")
    parts.append(f"traffic: {event['traffic']}")
    if event["outage_since"]:
        parts.append(f"outage {event['outage_seconds']:.0f} s")
    if event["why"]:
        parts.append(event["why"])
    return "; ".join(parts)


def main() -> None:
    """Read the document, post it, and print the status of the response."""
    address = os.environ.get("VPNMIGRATE_WEBHOOK_URL", "")
    if not address.startswith(("https://", "http://")):
        sys.exit("set VPNMIGRATE_WEBHOOK_URL to the address of the webhook")
    event = json.load(sys.stdin)
    request = urllib.request.Request(  # noqa: S310  the scheme is checked above
        address,
        data=json.dumps({"text": sentence(event), "vpnmigrate": event}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        sys.stdout.write(f"{answer.status}\n")


if __name__ == "__main__":
    main()
