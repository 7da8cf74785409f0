"""Commands ``fleet schema``."""

from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.fleet.campaign import campaign_schema, campaign_schema_text


def schema(printing: OutputOptions) -> None:
    """Print the JSON Schema of campaigns, for use in an editor."""
    results_output(printing).print(campaign_schema_text().rstrip(), campaign_schema())
