"""A driver of the devices of a served sandbox, as an operator would write one.

Its arguments are the sandbox's control address and a folder.  There it keeps what the device has
and a line for each change, and it waits in a verb while a file ``hold-VERB`` exists.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path


def main() -> int:
    url, folder = sys.argv[1], Path(sys.argv[2])
    asked = json.load(sys.stdin)
    verb, new, old = asked["verb"], asked["new_connection"], asked["old_connection"]
    kept = folder / f"{old}.json"
    state = json.loads(kept.read_text()) if kept.exists() else {"new": "absent", "old": "enabled"}

    def tell(connection: str, action: str) -> None:
        headers = {"Content-Type": "application/json"}
        place = f"{url}devices/{connection}/{action}"
        urllib.request.urlopen(urllib.request.Request(place, b"{}", headers)).close()

    with (folder / "calls").open("a") as calls:
        calls.write(f"{verb}\n")
    sys.stderr.write(f"{verb} for {asked['site']}\n")
    (folder / f"in-{verb}").touch()
    while (folder / f"hold-{verb}").exists():
        time.sleep(0.02)
    if verb == "load":
        key = json.loads(Path(asked["device_file"]).read_text())["new"]["tunnels"][0]["key"]
        sys.stderr.write(f"the key is {key}\n")
        state["new"] = "disabled"
    elif verb == "enable":
        tell(new, "enable")
        state["new"] = "enabled"
        if asked["disable_old"]:
            tell(old, "disable")
            state["old"] = "disabled"
    elif verb == "back-out":
        tell(new, "disable")
        tell(old, "enable")
        state = {"new": "disabled", "old": "enabled"}
    if verb != "status":
        kept.write_text(json.dumps(state))
        with (folder / "changes").open("a") as changes:
            changes.write(f"{verb}\n")
    key = json.loads(Path(asked["device_file"]).read_text())["old"]["tunnels"][0]["key"]
    told = {"message": f"{verb} at {asked['site']}, key {key}", "changes": f"+ key {key}\n+ next"}
    json.dump({**state, **told}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
