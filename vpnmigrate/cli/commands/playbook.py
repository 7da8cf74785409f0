"""Commands ``playbook list``, ``show`` and ``schema``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.local.documents import PLAYBOOKS, ready_playbooks
from vpnmigrate.planning.playbook import playbook_from, playbook_schema, schema_text
from vpnmigrate.report import results


def list_(printing: OutputOptions) -> None:
    """List the playbooks that come with the program."""
    books = {book.name: book.summary for book in ready_playbooks()}
    results_output(printing).print(
        results.listing_text(books), results.listing_json("playbooks", books)
    )


def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", show_default=False, help="A playbook.")
    ],
    printing: OutputOptions,
) -> None:
    """Check a playbook and print it with its comments."""
    import msgspec

    found = PLAYBOOKS.read(name)
    book = playbook_from(found.text, found.name)
    document = {"schema": "vpnmigrate/playbook/1", "playbook": msgspec.to_builtins(book)}
    results_output(printing).print(found.text.rstrip(), document)


def schema(printing: OutputOptions) -> None:
    """Print the JSON Schema of playbooks, for use in an editor."""
    results_output(printing).print(schema_text().rstrip(), playbook_schema())
