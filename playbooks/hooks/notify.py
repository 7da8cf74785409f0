#!/usr/bin/env python3
"""Notify Slack, Teams, PagerDuty, an SNS topic or any webhook of what a run does.

A hook of vpnmigrate, in plain Python.  In a playbook, with absolute paths:

    hooks:
      outage-began: [/usr/local/lib/change/notify.py, slack, /etc/vpnmigrate/notify.ini]
      failed: [/usr/local/lib/change/notify.py, pagerduty, /etc/vpnmigrate/notify.ini]

The address of a webhook is a secret: each user who knows it can post.  Arguments are readable in
the plan and in the list of processes, and an environment is handed on to other programs, so the
address is in a file that only its owner can read (``chmod 600``):

    [slack]
    url = https://hooks.slack.com/services/...

    [teams]
    url = https://....logic.azure.com/workflows/...

    [pagerduty]
    key = the routing key of the integration "Events API v2"

    [sns]
    topic = arn:aws:sns:eu-west-1:123456789012:changes
    profile = optional: a profile of the AWS CLI

    [webhook]
    url = https://...

The document of the event is read on standard input.  Nothing that is printed contains an address
or a key.  Every failure ends in a nonzero exit status, which the run records.
"""

import configparser
import html
import json
import os
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

SECONDS = 8
"""Limit of one try; a hook has 30 seconds by default (``waits.hook``)."""
TRIES = 3
RETRIED = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses after which another try may help."""
EVENTS = "https://events.pagerduty.com/v2/enqueue"
TRIGGERS = {
    "outage-began": "warning",
    "gate-failed": "warning",
    "deadline-near": "error",
    "rollback-started": "error",
    "failed": "critical",
}
"""Moments that open an alert, with its severity; ``stuck`` is always critical."""
RESOLVES = frozenset({"outage-ended", "verified", "finished", "rolled-back", "finalized"})
"""Moments that close the alert of the run."""
SUBJECT = 100
"""Longest subject that SNS accepts."""

Event = dict[str, Any]
Settings = configparser.SectionProxy


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it may lead to an address that is not configured."""

    def redirect_request(self, *_: Any) -> None:
        return None


def sentence(event: Event) -> str:
    """Return one line that describes *event*."""
    change = f" ({event['change']})" if event["change"] else ""
    parts = [f"{event['run']}{change}: {event['moment'].replace('-', ' ')}"]
    if event["step"]:
        parts.append(f"step {event['step']}: {event['title']}")
    parts.append(f"traffic: {event['traffic']}")
    if event["outage_since"]:
        parts.append(f"outage {length(event['outage_seconds'])}")
    if event["why"]:
        parts.append(event["why"])
    return "; ".join(parts)


def length(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    amounts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((at for at, (amount, _) in enumerate(amounts) if amount), 0)
    shown = [f"{amount} {unit}" for amount, unit in amounts[first : first + 2] if amount]
    return " ".join(shown) or "0 s"


def slack(event: Event, settings: Settings) -> str:
    """Post to an incoming webhook of Slack."""
    return post(settings["url"], {"text": html.escape(sentence(event), quote=False)})


def teams(event: Event, settings: Settings) -> str:
    """Post an adaptive card to a workflow of Teams."""
    place = f"{event['vpc']}, account {event['account']}, {event['region']}"
    lines = [
        {"type": "TextBlock", "text": sentence(event), "weight": "Bolder", "wrap": True},
        {"type": "TextBlock", "text": place, "isSubtle": True, "wrap": True},
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": lines}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return post(settings["url"], {"type": "message", "attachments": [attachment]})


def pagerduty(event: Event, settings: Settings) -> str:
    """Open or close the one alert of the run, by PagerDuty's Events API v2."""
    moment = event["moment"]
    message: Event = {"routing_key": settings["key"], "dedup_key": f"vpnmigrate/{event['run']}"}
    if moment in RESOLVES:
        message["event_action"] = "resolve"
    elif moment in TRIGGERS:
        message["event_action"] = "trigger"
        message["payload"] = {
            "summary": sentence(event)[:1024],
            "source": event["vpc"],
            "severity": "critical" if event["stuck"] else TRIGGERS[moment],
            "timestamp": event["at"],
            "custom_details": event,
        }
    else:
        return f"{moment} opens and closes no alert"
    return post(settings.get("url", EVENTS), message)


def sns(event: Event, settings: Settings) -> str:
    """Publish to an SNS topic with the AWS CLI, which finds its own credentials."""
    topic = settings["topic"]
    subject = sentence(event).encode("ascii", "replace").decode()[:SUBJECT]
    words = ["aws", "sns", "publish", "--topic-arn", topic, "--region", topic.split(":")[3]]
    words += ["--subject", subject, "--message", "file:///dev/stdin"]
    for name, flag in (("profile", "--profile"), ("url", "--endpoint-url")):
        if settings.get(name):
            words += [flag, settings[name]]
    done = subprocess.run(  # noqa: S603  no shell; the words are separate
        words,
        input=f"{sentence(event)}\n\n{json.dumps(event, indent=2)}\n",
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS * TRIES,
        check=False,
    )
    if done.returncode:
        sys.exit(f"aws sns publish ended with {done.returncode}: {done.stderr.strip()[:500]}")
    return "published"


def webhook(event: Event, settings: Settings) -> str:
    """Post the sentence and the whole document."""
    return post(settings["url"], {"text": sentence(event), "vpnmigrate": event})


KINDS = {each.__name__: each for each in (slack, teams, pagerduty, sns, webhook)}


def post(address: str, message: Event) -> str:
    """Post *message*, and return the status of the answer; no error names the address."""
    parts = urllib.parse.urlsplit(address)
    local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        sys.exit("the address has to begin with https://")
    request = urllib.request.Request(  # noqa: S310  the scheme is checked above
        address,
        data=json.dumps(message).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "vpnmigrate"},
    )
    opener = urllib.request.build_opener(_NoRedirect)
    for number in range(1, TRIES + 1):
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as error:
            why, again = f"the answer was {error.code}", error.code in RETRIED
        except OSError as error:
            reason = getattr(error, "reason", error)
            why, again = f"no answer: {type(reason).__name__}", True
        if number < TRIES and again:
            time.sleep(number)  # noqa: TID251  a program of its own, without a clock
        else:
            break
    sys.exit(f"not sent: {why}")


def settings_of(file: Path, kind: str) -> Settings:
    """Return the section *kind* of *file*, which only its owner may read."""
    try:
        with file.open(encoding="utf-8") as text:
            if stat.S_IMODE(os.fstat(text.fileno()).st_mode) & 0o077:
                sys.exit(f"{file} can be read by other users; run: chmod 600 {file}")
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_file(text)
    except OSError as error:
        sys.exit(f"{file} cannot be read: {error.strerror}")
    except (configparser.Error, UnicodeDecodeError) as error:
        sys.exit(f"{file} is not a settings file ({type(error).__name__})")
    if kind not in parser:
        sys.exit(f"{file} has no section [{kind}]")
    return parser[kind]


def main() -> None:
    """Read the document, send it, and print the status of the answer."""
    words = sys.argv[1:]
    if len(words) != 2 or words[0] not in KINDS:  # noqa: PLR2004  kind and file
        sys.exit(f"usage: notify.py {'|'.join(KINDS)} FILE")
    kind, file = words
    settings = settings_of(Path(file), kind)
    event = json.load(sys.stdin)
    try:
        sent = KINDS[kind](event, settings)
    except KeyError as error:
        sys.exit(f"{file}: section [{kind}] has no {error}")
    sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    main()
