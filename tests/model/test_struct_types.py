"""Structs that several threads decode for the first time at the same moment."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from tests.support.builders import a_plan

PROGRAM = """
import sys, threading
import msgspec
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.struct_types import analyse_structs

sys.setswitchinterval(1e-6)
analyse_structs()
text = sys.stdin.buffer.read()
together = threading.Barrier(16)

def decode():
    together.wait()
    msgspec.json.decode(text, type=Plan)

threads = [threading.Thread(target=decode) for _ in range(16)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


def test_threads_decode_together() -> None:
    """The process survives; without the analysis before, it ends with SIGSEGV."""
    plan, program = msgspec.json.encode(a_plan()), [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, input=plan, check=False, capture_output=True)

    assert done.returncode == 0, done.stderr
