"""Child processes: their environment and working directory.

These are the watchdog, which is this program, and the operator's programs: hooks, probes and the
test command of step 6.  All of them work in a subdirectory of the run, because other users may be
able to write the directory where the operator typed the command.  ``ssh_keygen`` starts its program
with a directory and an environment of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpnmigrate.local.private_files import FOLDER_MODE
from vpnmigrate.local.run_directory import Run


@dataclass(frozen=True)
class Inheritance:
    """What one kind of child inherits from this process's environment."""

    aws: frozenset[str] = frozenset()
    """Names of AWS settings; every other name that begins with ``AWS_`` is left out."""
    code: frozenset[str] = frozenset()
    """Names that decide which code a process loads; every other name of that kind is left out."""
    proxy_credentials: bool = False
    """Whether user and password stay in the addresses of proxies."""


OPERATOR_PROGRAM: Final = Inheritance()
"""A hook, a probe or the test command: it calls no AWS API with this program's credentials."""

WATCHDOG: Final = Inheritance(
    aws=frozenset(
        {
            "AWS_ACCESS_KEY_ID",
            "AWS_ACCOUNT_ID",
            "AWS_ACCOUNT_ID_ENDPOINT_MODE",
            "AWS_AUTH_SCHEME_PREFERENCE",
            "AWS_CA_BUNDLE",
            "AWS_CONFIG_FILE",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CREDENTIAL_EXPIRATION",
            "AWS_CREDENTIAL_FILE",
            "AWS_DATA_PATH",
            "AWS_DEFAULTS_MODE",
            "AWS_DEFAULT_PROFILE",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            "AWS_EC2_METADATA_V1_DISABLED",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_DIRECT_CONNECT",
            "AWS_ENDPOINT_URL_EC2",
            "AWS_ENDPOINT_URL_SERVICE_QUOTAS",
            "AWS_ENDPOINT_URL_SIGNIN",
            "AWS_ENDPOINT_URL_SSO",
            "AWS_ENDPOINT_URL_SSO_OIDC",
            "AWS_ENDPOINT_URL_STS",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            "AWS_IMDS_USE_IPV6",
            "AWS_LOGIN_CACHE_DIRECTORY",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
            "AWS_METADATA_SERVICE_TIMEOUT",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_ROLE_ARN",
            "AWS_ROLE_SESSION_NAME",
            "AWS_SDK_UA_APP_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SECURITY_TOKEN",
            "AWS_SESSION_TOKEN",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_STS_REGIONAL_ENDPOINTS",
            "AWS_USE_DUALSTACK_ENDPOINT",
            "AWS_USE_FIPS_ENDPOINT",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "BOTO_CONFIG",
        }
    ),
    code=frozenset(
        {
            "DYLD_FALLBACK_LIBRARY_PATH",
            "DYLD_INSERT_LIBRARIES",
            "DYLD_LIBRARY_PATH",
            "LD_LIBRARY_PATH",
            "LD_PRELOAD",
            "PYTHONHOME",
            "PYTHONPATH",
            "PYTHONUSERBASE",
        }
    ),
    proxy_credentials=True,
)
"""A second process of this program: the same account, network path and modules."""

_SEARCH_PATHS: Final = frozenset(
    {
        "AWS_DATA_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "DYLD_LIBRARY_PATH",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONUSERBASE",
    }
)
"""Lists of directories or files.  Relative ones are left out: the child has another directory."""
_LIBRARIES: Final = frozenset({"LD_PRELOAD", "DYLD_INSERT_LIBRARIES"})
"""Lists of files.  The loader finds a name without a slash in its own directories."""
_BETWEEN_LIBRARIES: Final = re.compile(r"[ :]+")
_FILES: Final = frozenset(
    {
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CREDENTIAL_FILE",
        "AWS_LOGIN_CACHE_DIRECTORY",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "BOTO_CONFIG",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "VPNMIGRATE_HOME",
    }
)
"""One path each; it has to name the same file from another directory."""
_AWS: Final = re.compile(r"AWS_.*|BOTO_CONFIG")
_CODE: Final = re.compile(
    r"""(
        PYTHON(?!UTF8$|IOENCODING$|UNBUFFERED$|DONTWRITEBYTECODE$|HASHSEED$).*
        | (LD|DYLD)_.*
        | GCONV_PATH | GLIBC_TUNABLES | LOCPATH | NLSPATH
        | BASH_ENV | ENV | BASH_FUNC_.* | SHELLOPTS | BASHOPTS | PS4 | IFS | CDPATH | ZDOTDIR
        | PERL.* | RUBY(OPT|LIB) | NODE_(OPTIONS|PATH) | GEM_(HOME|PATH) | PHPRC | PHP_INI_SCAN_DIR
        | JAVA_TOOL_OPTIONS | _JAVA_OPTIONS | JDK_JAVA_OPTIONS | CLASSPATH | LUA_(INIT|PATH|CPATH).*
        | TCLLIBPATH | OPENSSL_(CONF|MODULES|ENGINES)
    )""",
    re.VERBOSE,
)
"""Names through which an interpreter, a shell or the loader can be made to run other code."""
_PROXY: Final = re.compile(r"[A-Za-z0-9]+_proxy", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)


def child_environment(
    parent: Mapping[str, str], inheritance: Inheritance, directory: Path, base: Path
) -> dict[str, str]:
    """Return the environment of a child that works in *directory*.

    *parent* is this process's environment, and *base* the directory to which its relative paths
    refer.
    """
    inherited = {
        name: found
        for name, value in parent.items()
        if _is_inherited(name, inheritance)
        and (found := _value(name, value, inheritance, base)) is not None
    }
    return {**inherited, "PWD": str(directory)}


def inherited_by(inheritance: Inheritance, directory: Path) -> dict[str, str]:
    """Return the environment that a child of this process has in *directory*."""
    try:
        base = Path.cwd()
    except OSError:  # The directory was removed, so no relative path is valid.
        base = directory
    return child_environment(os.environ, inheritance, directory, base)


def working_directory(run: Run) -> Path:
    """Return the working directory of the children of *run*; create it if it is missing.

    Raises:
        OSError: It cannot be created.
    """
    run.work.mkdir(FOLDER_MODE, exist_ok=True)
    return run.work.absolute()


def _is_inherited(name: str, inheritance: Inheritance) -> bool:
    if name == "OLDPWD":
        return False
    if _AWS.fullmatch(name):
        return name in inheritance.aws
    return not _CODE.fullmatch(name) or name in inheritance.code


def _value(name: str, value: str, inheritance: Inheritance, base: Path) -> str | None:
    """Return the value for a child; None if nothing of it may be passed on."""
    if name in _SEARCH_PATHS:
        places = _BETWEEN_LIBRARIES.split(value) if name in _LIBRARIES else value.split(os.pathsep)
        # The variable is omitted if its list is empty: some programs read an empty list as the
        # working directory.
        return os.pathsep.join(place for place in places if _is_fixed(name, place)) or None
    if name in _FILES:
        # A tilde or a variable is expanded by the program that reads the value.
        return value if not value or value[0] in "~$" else str(base / value)
    if _PROXY.fullmatch(name) and not inheritance.proxy_credentials:
        return _CREDENTIALS.sub(r"\1", value)
    return value


def _is_fixed(name: str, place: str) -> bool:
    by_name_alone = name in _LIBRARIES and place != "" and "/" not in place
    return by_name_alone or Path(place).is_absolute()
