"""The fault matrix: what a run does about every error that each AWS call can return.

A row is an operation, a column a trouble of ``cells.TROUBLES``, a cell two letters: what the run
does if the trouble passes after a while, and if it is permanent.

====  =================================================================================
C     continue: the run finishes, and asks no operator
L     leave: the run does the rest, and lists what AWS did not remove; exit code 1; the next command
      removes it
H     hold: nothing was started; exit code 3
S     stop, and report the state of traffic: exit code 1 while it flows; 5 while it is down, or
      while a change of steps 7 to 9 is missing, which the rest of the run went on without
R     refuse: nothing was changed; exit code 4
-     cannot occur, for the reason in ``CANNOT``
====  =================================================================================

After H, L and S the next command that the run names ends where an undisturbed run ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WORDS: Final = {
    "C": "continue",
    "L": "leave",
    "H": "hold",
    "S": "stop",
    "R": "refuse",
}

COLUMNS: Final = (
    *("throttled", "500", "503", "no connection", "time-out before", "time-out after"),
    *("truncated", "foreign answer", "ten times slower", "stale", "not known yet"),
    *(
        "incorrect state",
        "pending workflow",
        "dependency",
        "quota",
        "mutating objects",
        "permission gone",
        "expired",
    ),
)

IN_A_RUN: Final = """
                            thr 500 503 con t-o t+o cut for slo sta nky inc wfl dep quo mut per exp
DescribeVpnGateways         CS  CS  CS  CS  CS  CS  CS  CS  CC  CC  -   -   -   -   -   -   SS  CS
DescribeVpnConnections      CS  CS  CS  CS  CS  CS  CS  CS  CC  CC  -   -   -   -   -   -   SS  CS
DescribeRouteTables         CS  CS  CS  CS  CS  CS  CS  CS  CC  CC  -   -   -   -   -   -   SS  CS
DescribeVpcs                CS  CS  CS  CS  CS  CS  CS  CS  CC  CC  -   -   -   -   -   -   SS  CS
DescribeSubnets             CS  CS  CS  CS  CS  CS  CS  CS  CC  CC  -   -   -   -   -   -   SS  CS
GetVpnConnectionDeviceTypes CS  CS  CS  CS  CS  CS  CS  CS  CC  -   -   -   -   -   -   -   CC  CS
GetVpnConnectionDeviceSampleConfiguration \
                            CS  CS  CS  CS  CS  CS  CS  CS  CC  -   CC  CC  -   -   -   -   CC  CS
CreateTags                  CS  CS  CS  CS  CS  CC  CC  CS  CC  -   -   CS  -   -   SS  -   SS  CS
CreateVpnGateway            CS  CS  CS  CS  CS  CC  CC  CS  CC  -   -   -   -   -   SS  CS  SS  CS
CreateVpnConnection         CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   SS  CS  SS  CS
CreateVpnConnectionRoute    CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   SS  -   SS  CS
CreateVpc                   CS  CS  CS  CS  CS  CC  CC  CS  CC  -   -   -   -   -   SS  -   SS  CS
CreateSubnet                CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  -   -   -   SS  -   SS  CS
DeleteSubnet                CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  -   CS  -   -   SS  CS
DeleteVpc                   CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  -   CS  -   -   SS  CS
AttachVpnGateway            CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   -   CS  SS  CS
DetachVpnGateway            CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  CS  -   CS  SS  CS
DisableVgwRoutePropagation  CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   -   -   SS  CS
EnableVgwRoutePropagation   CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   -   -   CS  CS
ReplaceRoute                CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   -   -   CS  CS
CreateRoute                 CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   CS  -   CS  CS
AssociateRouteTable         CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  -   -   -   CS  CS
DisassociateRouteTable      CS  CS  CS  CS  CS  CC  CC  CS  CC  -   CS  CS  CS  CS  -   -   CS  CS
DeleteVpnConnection         CL  CL  CL  CL  CL  CC  CC  CL  CC  -   CL  CL  CL  CL  -   CL  LL  CL
DeleteVpnGateway            CL  CL  CL  CL  CL  CC  CC  CL  CC  -   CL  CL  CL  CL  -   CL  LL  CL
DeleteTags                  CL  CL  CL  CL  CL  CC  CC  CL  CC  -   -   CL  -   -   -   -   LL  CL
GetActiveVpnTunnelStatus    CC  CC  CC  CC  CC  CC  CC  CC  CC  -   -   -   -   -   -   -   CC  CC
"""
"""From step 1's first observation on, on any leg."""

BEFORE_STEP_7: Final = """
                            thr 500 503 con t-o t+o cut for slo sta nky inc wfl dep quo mut per exp
sts:GetCallerIdentity       CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   -   CH
DescribeCustomerGateways    CH  CH  CH  CH  CH  CH  CH  CH  CC  CC  -   -   -   -   -   -   SS  CH
directconnect:DescribeVirtualInterfaces \
                            CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   CH  CH
directconnect:DescribeDirectConnectGatewayAssociations \
                            CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   CH  CH
service-quotas:GetServiceQuota \
                            CC  CC  CC  CC  CC  CC  CC  CC  CC  -   -   -   -   -   -   -   CC  CC
DescribeVpcEncryptionControls \
                            CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   HH  CH
DescribeAccountVpcEncryptionControl \
                            CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   HH  CH
GetVpnTunnelReplacementStatus \
                            CH  CH  CH  CH  CH  CH  CH  CH  CC  -   -   -   -   -   -   -   HH  CH
"""
"""The last survey and the gates: reads that only planning, drift and gates need."""

AT_THE_START: Final = """
                            thr 500 503 con t-o t+o cut for slo sta nky inc wfl dep quo mut per exp
sts:GetCallerIdentity       SS  SS  SS  SS  SS  SS  SS  SS  CC  -   -   -   -   -   -   -   -   SS
DescribeVpnGateways         SS  SS  SS  SS  SS  SS  SS  SS  CC  CC  -   -   -   -   -   -   SS  SS
DescribeCustomerGateways    SS  SS  SS  SS  SS  SS  SS  SS  CC  CC  -   -   -   -   -   -   SS  SS
directconnect:DescribeVirtualInterfaces \
                            SS  SS  SS  SS  SS  SS  SS  SS  CC  -   -   -   -   -   -   -   SS  SS
directconnect:DescribeDirectConnectGatewayAssociations \
                            SS  SS  SS  SS  SS  SS  SS  SS  CC  -   -   -   -   -   -   -   SS  SS
service-quotas:GetServiceQuota \
                            CC  CC  CC  CC  CC  CC  CC  CC  CC  -   -   -   -   -   -   -   CC  CC
DescribeVpcEncryptionControls \
                            CC  CC  CC  CC  CC  CC  CC  CC  CC  -   -   -   -   -   -   -   CC  SS
DescribeAccountVpcEncryptionControl \
                            CC  CC  CC  CC  CC  CC  CC  CC  CC  -   -   -   -   -   -   -   CC  SS
"""
"""The first observation of a run that has not started: errors are reported immediately."""

OCCASIONS: Final = {
    "in a run": IN_A_RUN,
    "before step 7": BEFORE_STEP_7,
    "at the start": AT_THE_START,
}

CANNOT: Final[Mapping[str, str]] = {
    "stale": (
        "a change is not a read; the run changes no identity, quota, Direct Connect list or "
        "device sample"
    ),
    "not known yet": (
        "it names no new or newly attached resource; lists are requested with filters"
    ),
    "incorrect state": "it depends on no resource's state: a list, an identity, or a new resource",
    "pending workflow": "it changes no gateway, no connection and no route to one",
    "dependency": "it removes nothing that another resource may depend on",
    "quota": "it creates nothing that counts against a quota",
    "mutating objects": "EC2 counts gateways and connections that are changing, and nothing else",
    "permission gone": "IAM cannot deny GetCallerIdentity",
}
"""Why a cell with ``-`` cannot occur."""


@dataclass(frozen=True)
class Cell:
    """One cell: the verdicts are words, or empty if the fault cannot occur."""

    occasion: str
    operation: str
    trouble: str
    passes: str
    stays: str

    @property
    def occurs(self) -> bool:
        """Whether it can occur."""
        return bool(self.passes)


def cells() -> tuple[Cell, ...]:
    """Return every cell of the matrix."""
    return tuple(
        Cell(occasion, operation, trouble, *_verdicts(letters))
        for occasion, grid in OCCASIONS.items()
        for operation, *row in map(str.split, grid.strip().splitlines()[1:])
        for trouble, letters in zip(COLUMNS, row, strict=True)
    )


def _verdicts(letters: str) -> tuple[str, str]:
    if letters == "-":
        return "", ""
    return WORDS[letters[0]], WORDS[letters[1]]
