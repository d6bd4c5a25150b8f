"""Messages about stores of objects.  None holds a key or a password."""

from __future__ import annotations

import re

from .tables import SourceError
from .words import listed

CREDENTIALS = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "SIGNATURE",
    "UNRECOGNIZED_CLIENT",
    "EXPIRED",
    "MISSING_AUTHENTICATION",
)
UNREACHED = ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "curlCode", "CURL error", "UNAVAILABLE")


class StoreError(SourceError):
    """A store of objects that cannot be reached, or does not give what is asked of it."""

    @classmethod
    def of(cls, url: str, reason: str) -> StoreError:
        """What a store answered, as pyarrow has it."""
        bucket = url.partition("://")[2].partition("/")[0]
        if "NO_SUCH_BUCKET" in reason:
            return cls(
                f"there is no bucket '{bucket}', where '{url}' should be.",
                "The store answers, and does not know it.",
                "check the name, and the region and the endpoint: AWS_REGION, AWS_ENDPOINT_URL",
            )
        if any(word in reason for word in CREDENTIALS):
            return cls(
                f"the store does not give '{url}' to these credentials.",
                _sentence(reason),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            )
        if any(word in reason for word in UNREACHED):
            return cls(
                f"the store of '{url}' cannot be reached.",
                _sentence(reason),
                "check the network and the endpoint: AWS_ENDPOINT_URL, or ?endpoint_override=",
            )
        return cls(
            f"'{url}' cannot be read from its store.",
            _sentence(reason),
            "check the URL, the region and the credentials.",
        )

    @classmethod
    def options(cls, url: str, names: list[str], known: list[str]) -> StoreError:
        return cls(
            f"'{url}' is given options that no store of its kind has: {listed(names)}.",
            f"These are known: {listed(known)}.",
            "leave the others out.",
        )

    @classmethod
    def no_bucket(cls, scheme: str) -> StoreError:
        return cls(
            f"a URL of {scheme}:// names no bucket.",
            "The bucket stands between the two slashes and the next.",
            f"{scheme}://bucket/folder/table.parquet",
        )

    @classmethod
    def web(cls, scheme: str) -> StoreError:
        return cls(
            f"a URL of {scheme}:// is not read.",
            "A web page may change between two passes, and tells no state of itself.",
            "fetch it first: curl -LO URL, and name the file.",
        )

    @classmethod
    def another_machine(cls, host: str) -> StoreError:
        return cls(
            f"a URL of file:// names the machine '{host}'.",
            "Files of this machine are read.",
            "file:///folder/table.parquet, with three slashes.",
        )


def _sentence(reason: str) -> str:
    """What a store said, without the names of calls, requests and libraries."""
    said = re.sub(r"^.*?AWS Error ", "", reason.partition("\n")[0], flags=re.DOTALL)
    said = re.sub(r"\s*\(Request ID: [^)]*\)|; Details: .*$|curlCode: \d+, ", "", said)
    said = re.sub(r"^.*CURL error \[\d+\]=([^{}]*?)( error_info=.*)?$", r"\1", said)
    code, during, rest = said.partition(" during ")
    said = f"{(rest.partition(': ')[2] or rest).rstrip('.')} ({code})" if during else said
    said = said.strip().rstrip(".") or "It does not say why"
    return said[:1].upper() + said[1:] + "."
