"""``vpnmigrate demo``."""

from vpnmigrate.cli.flags import Printing


def demo(printing: Printing) -> None:
    """Watch a whole migration; no AWS account needed.

    Planned, applied, killed in the middle, resumed, taken back and applied again, on a sandbox
    in this process.  Touches nothing outside a temporary directory.
    """
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.cli.stage import scenes
    from vpnmigrate.report import demo as report_demo
    from vpnmigrate.report.console import TextResults

    played = []
    for scene in scenes():
        played.append(scene)
        if not printing.json:
            # Each scene is shown when it is over: nobody likes to watch nothing.
            TextResults().give(report_demo.text(scene), {})
    results_of(printing).give(report_demo.closing(played), report_demo.as_json(played))
