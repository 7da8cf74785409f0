"""The AWS CLI, started once, in its own Python: ``-m tests.aws_cli.warm_server SOCKET``.

A command is the same code in a process of its own.  Only the modules are already loaded, which is
most of a command's time.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import awscli.clidriver  # type: ignore[import-not-found]  # in an environment of its own

from tests.support.warm.forks import Forks, run


def main(address: str) -> None:
    """Serve commands until standard input is closed."""
    driver = awscli.clidriver.create_clidriver()
    _load_ec2(driver)
    forks = Forks(address)
    print("ready", flush=True)  # noqa: T201  the parent process reads it
    asked = forks.next_command(0)
    sys.argv = ["aws", *asked.words]
    run(lambda: sys.exit(driver.main(asked.words)))


def _load_ec2(driver: Any) -> None:
    """Load the model of EC2 and all that a client of it needs, which the driver keeps."""
    ours = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    driver.main(["ec2", "describe-vpn-gateways", "--generate-cli-skeleton"])
    sys.stdout.flush()
    os.dup2(ours, 1)
    os.close(ours)
    os.close(nowhere)
    # Nothing is sent: a client only loads files, a third of the time of a command.
    driver.session.create_client("ec2", region_name="us-east-1", endpoint_url="http://127.0.0.1:9")


if __name__ == "__main__":
    main(sys.argv[1])
