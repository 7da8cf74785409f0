"""The one way in which the sandbox's API refuses."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal as AWS words it; a door turns it into its client's own exception."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid_value(message: str) -> ApiError:
    """Give EC2's commonest refusal."""
    return ApiError("InvalidParameterValue", message)


def missing(parameter: str) -> ApiError:
    """Give the refusal of a call that lacks *parameter*."""
    return ApiError("MissingParameter", f"The request must contain the parameter {parameter}")
