"""Fixtures shared with the tests of the AWS CLI."""

from tests.aws_cli.conftest import aws_program

__all__ = ["aws_program"]
