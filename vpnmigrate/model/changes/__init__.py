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
Deletion = DeleteVpnConnection | DeleteVpnGateway | DeleteTestSubnet | DeleteTestVpc
TableChange = (
    EnablePropagation
    | DisablePropagation
    | ReplaceRoute
    | CreateRoute
    | AssociateEdge
    | DisassociateEdge
)
"""The changes of one route table."""
Alteration = (
    TableChange | AddStaticPrefix | AttachVpnGateway | DetachVpnGateway | PlaceClaim | RemoveClaim
)
MutatingChange = Creation | Alteration | Deletion
"""The changes that one mutating call makes."""
AwsChange = MutatingChange | ArchiveConfiguration
OperatorTask = AskOperator | RunTest
Change = AwsChange | OperatorTask

__all__ = [
    "AddStaticPrefix",
    "Alteration",
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
    "Deletion",
    "DetachVpnGateway",
    "DisablePropagation",
    "DisassociateEdge",
    "EnablePropagation",
    "MutatingChange",
    "OperatorTask",
    "PlaceClaim",
    "RemoveClaim",
    "ReplaceRoute",
    "RunTest",
    "TableChange",
    "Tags",
]
