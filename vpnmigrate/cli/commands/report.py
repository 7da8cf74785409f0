"""Commands ``report`` and ``report verify``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context, results_output
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions, RunId, SignKey
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import cli, option
from vpnmigrate.report import document as forms


def show(
    ctx: typer.Context,
    run: RunId,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write: .md or .html."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Pack all evidence into this archive."),
    ] = None,
    sign_key: SignKey = None,
    survey: Annotated[
        bool,
        typer.Option("--survey", help="Survey AWS again and compare; kept with the run."),
    ] = False,
) -> None:
    """Report what a run did, from its journal.

    Contains outages, planned and actual times, people, a timeline, and every API call with its
    request id.  The word show may be left out.  Makes no AWS call without --survey.
    """
    from vpnmigrate.cli.evidence import evidence_of, survey_after, write_document
    from vpnmigrate.report import evidence as view

    context = command_context(ctx, home, printing)
    if sign_key is not None and bundle is None:
        raise UsageError(
            "--sign-key signs a bundle, and none is written",
            advice=cli("report", run, "--bundle", "FILE", *option("--sign-key", str(sign_key))),
        )
    found = context.runs.find(run)
    if survey:
        survey_after(context, aws, found)
    evidence = evidence_of(context, found)
    if output is not None:
        write_document(view.document(evidence), output)
    if bundle is not None:
        from vpnmigrate.cli.bundle_signatures import signing
        from vpnmigrate.cli.bundles import write_bundle
        from vpnmigrate.report.results import bundle_json, bundle_text

        sign = None if sign_key is None else signing(context, sign_key)
        packed = write_bundle(found, evidence.rehearsed, bundle, sign)
        context.results.print(bundle_text(packed), bundle_json(packed))
        return
    context.results.print_made(
        lambda: forms.text(view.document(evidence)) if output is None else f"Written to {output}.",
        lambda: view.as_json(evidence),
    )


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="A bundle, from any source.")
    ],
    printing: OutputOptions,
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256",
            metavar="HASH",
            help="The SHA-256 you recorded when the bundle was made.",
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            help="The SSH keys you trust: the bundle, and all that is signed in it, has to verify.",
        ),
    ] = None,
    revoked_keys: Annotated[
        Path | None,
        typer.Option(
            "--revoked-keys", metavar="FILE", help="Keys you do not trust, with --allowed-signers."
        ),
    ] = None,
) -> None:
    """Check that a bundle is unchanged since it was packed.

    Finds edits, removals and reordering of files and of journal lines, and names the first bad
    place.  Also prints what a bundle cannot prove.  Needs no run, no credentials and no network.
    """
    from vpnmigrate.cli.bundle_signatures import signature_check
    from vpnmigrate.cli.bundles import require_noted
    from vpnmigrate.cli.bundles import verify_bundle as verified
    from vpnmigrate.report import verification as view

    found = verified(file, signature_check(allowed_signers, revoked_keys))
    if sha256 is not None:
        require_noted(found, sha256)
    results_output(printing).print(view.text(found), view.as_json(found))
