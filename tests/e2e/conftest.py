"""What end-to-end tests share with those of the AWS CLI."""

from tests.awscli.conftest import aws_program

__all__ = ["aws_program"]
