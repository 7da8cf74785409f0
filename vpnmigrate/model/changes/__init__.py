"""Changes: a closed union with one frozen class per EC2 call or operator task.

Plan, journal, progress, runbook and report are renderings of these values, and ``aws`` performs
them; nothing else may alter AWS.  In a plan an id may be the name of a role (``gateway``), since
the resource does not exist yet; a change that is performed always carries real ids.
"""

from vpnmigrate.model.changes.base import Tags
from vpnmigrate.model.changes.operator_tasks import AskOperator, RunTest
from vpnmigrate.model.changes.resources import (
    AddStaticPrefix,
    ArchiveConfiguration,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    PlaceClaim,
    RemoveClaim,
)
from vpnmigrate.model.changes.routing import (
    AssociateEdge,
    AttachVpnGateway,
    CreateRoute,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)

Creation = CreateVpnGateway | CreateVpnConnection | CreateTestVpc | CreateTestSubnet
OperatorTask = AskOperator | RunTest
AwsChange = (
    Creation
    | AddStaticPrefix
    | ArchiveConfiguration
    | AttachVpnGateway
    | DetachVpnGateway
    | EnablePropagation
    | DisablePropagation
    | ReplaceRoute
    | CreateRoute
    | AssociateEdge
    | DisassociateEdge
    | PlaceClaim
    | RemoveClaim
    | DeleteVpnConnection
    | DeleteVpnGateway
    | DeleteTestSubnet
    | DeleteTestVpc
)
Change = AwsChange | OperatorTask

__all__ = [
    "AddStaticPrefix",
    "ArchiveConfiguration",
    "AskOperator",
    "AssociateEdge",
    "AttachVpnGateway",
    "AwsChange",
    "Change",
    "CreateRoute",
    "CreateTestSubnet",
    "CreateTestVpc",
    "CreateVpnConnection",
    "CreateVpnGateway",
    "Creation",
    "DeleteTestSubnet",
    "DeleteTestVpc",
    "DeleteVpnConnection",
    "DeleteVpnGateway",
    "DetachVpnGateway",
    "DisablePropagation",
    "DisassociateEdge",
    "EnablePropagation",
    "OperatorTask",
    "PlaceClaim",
    "RemoveClaim",
    "ReplaceRoute",
    "RunTest",
    "Tags",
]
