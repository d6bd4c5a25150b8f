"""Objects in stores that have URLs: S3, and what else pyarrow's file systems reach."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

from ..errors import SourceError, SourceNotFoundError, StoreError
from .places import Place

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
"""Stores that pyarrow reaches."""

WEB = ("http", "https")
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)

OPTIONS = re.compile(r"\?([a-z_]+=[^&]*(&[a-z_]+=[^&]*)*)$")
"""What stands behind a key; any other ``?`` is part of a pattern."""

S3_OPTIONS = ("region", "scheme", "endpoint_override", "anonymous")

ATTEMPTS = 3
CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 15.0
"""So often a request is tried, and so long it may take, before a person is told."""


class Address(NamedTuple):
    """A store, and what a pattern means in it."""

    store: Any
    root: str
    """What stands before an object's name in its URL."""
    name: str
    """The name or the pattern, as the file system has it."""

    def place(self, name: str) -> Place:
        return Place(self.root + name, self.store, name)


def is_store(pattern: str) -> bool:
    """Whether something is the URL of objects, or of a page, which is refused as such."""
    return scheme_of(pattern) in (*SCHEMES, *WEB)


def scheme_of(text: str) -> str:
    """What stands before ``://``, in lower case; empty for what is no URL."""
    found = URL.match(text)
    return found[1].lower() if found else ""


def find_objects(url: str) -> list[tuple[Place, tuple[str, ...]]]:
    """The objects that a URL means, or a pattern, or a folder, each with the folders it is in.

    In the order of their names, with the folders below the one named, or from the first that is
    part of a pattern.

    Raises
    ------
    SourceNotFoundError, SourceError
        No such object, none that matches, or none in the folder.
    StoreError
        No such bucket, a store that cannot be reached, or refuses the credentials.
    """
    asked = _open_store(url)
    shown = asked.root + asked.name
    with reaching(shown):
        for name in dict.fromkeys([asked.name, unquote(asked.name)]):
            found = asked.store.get_file_info(name.rstrip("/"))
            if found.type.name == "File":
                return [(asked.place(found.path), ())]
            if found.type.name == "Directory":
                return _list_folder(asked, found.path)
        is_pattern = glob.has_magic(asked.name)
        matches = _match(asked) if is_pattern else []
        if not matches:
            folder = _fixed(asked.name) if is_pattern else asked.name.rpartition("/")[0]
            beside = [info.base_name for info in _list(asked.store, folder, recursive=False)]
            raise SourceNotFoundError.of(shown, is_pattern, beside)
    return matches


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """What a store answers, in the house's own words; nothing for a file on disk."""
    if not is_store(url):
        yield
        return
    import pyarrow as pa

    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceNotFoundError.of(url, False, []) from None
    except (OSError, pa.ArrowException) as error:
        raise StoreError.of(url, str(error)) from None


def _list_folder(asked: Address, folder: str) -> list[tuple[Place, tuple[str, ...]]]:
    """The objects below a folder; hidden ones, and marks like ``_SUCCESS``, are no data."""
    found = []
    for info in _list(asked.store, folder, recursive=True):
        parts = info.path[len(folder) :].strip("/").split("/")
        hidden = any(p.startswith(".") or (p.startswith("_") and "=" not in p) for p in parts)
        if info.type.name == "File" and not hidden:
            found.append((parts, asked.place(info.path)))
    if not found:
        raise SourceError.empty_folder(asked.root + folder)
    return [(place, tuple(parts[:-1])) for parts, place in sorted(found)]


def _match(asked: Address) -> list[tuple[Place, tuple[str, ...]]]:
    """The objects whose names match a pattern, part by part."""
    folder, pattern = _fixed(asked.name), asked.name.split("/")
    fixed = len(folder.split("/")) if folder else 0
    deep = len(pattern) > fixed + 1 or "**" in pattern
    names = [i.path for i in _list(asked.store, folder, recursive=deep) if i.type.name == "File"]
    found = [n for n in sorted(names) if _matches(n.split("/")[fixed:], pattern[fixed:])]
    return [(asked.place(name), tuple(name.split("/")[fixed:-1])) for name in found]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a name match those of a pattern, as the names of files do."""
    if not pattern:
        return not parts
    if pattern[0] == "**" and len(pattern) > 1:
        if _matches(parts, pattern[1:]):
            return True
        return bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], pattern)
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _fixed(pattern: str) -> str:
    """The folder that a pattern begins with."""
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first])


def _list(store: Any, folder: str, *, recursive: bool) -> list[Any]:
    from pyarrow.fs import FileSelector

    try:
        found: list[Any] = store.get_file_info(FileSelector(folder, recursive=recursive))
    except FileNotFoundError:
        return []
    return found


# ------------------------------------------------------------------ file systems


def _open_store(url: str) -> Address:
    """The file system of a URL, with its credentials and options, and what is left of the URL."""
    found = URL.match(url)
    assert found is not None
    scheme, authority, rest = found[1].lower(), found[2], found[3]
    if scheme in WEB:
        raise StoreError.web(scheme)
    if not authority:
        raise StoreError.no_bucket(scheme)
    options = OPTIONS.search(rest)
    given = dict(parse_qsl(options[1], keep_blank_values=True)) if options else {}
    name = rest[: options.start()] if options else rest
    user, at, host = authority.rpartition("@")
    secret = scheme == "s3" or ":" in user
    root = f"{scheme}://{host if secret else authority}"
    shown = root + name
    with reaching(shown):
        if scheme == "s3":
            store = _open_s3(shown, user, given, host)
            return Address(store, "s3://", (host + name).rstrip("/"))
        from pyarrow.fs import FileSystem

        if scheme in ("gs", "gcs"):
            given = {"retry_limit_seconds": f"{REQUEST_SECONDS / ATTEMPTS:.0f}", **given}
        asked = f"?{urlencode(given)}" if given else ""
        store, path = FileSystem.from_uri(f"{scheme}://{user}{at}{host}/{asked}")
        within = path.strip("/")  # the bucket, where the file system has it in its names
        root = root.removesuffix(within)
        slash = "" if root.endswith(("/", "@")) or not within else "/"
        return Address(store, root + slash, within + name.rstrip("/"))


def _open_s3(shown: str, user: str, given: dict[str, str], bucket: str) -> Any:
    """S3 by its options, then by the environment, then as the AWS libraries find it."""
    from pyarrow import fs

    unknown = [name for name in given if name not in S3_OPTIONS]
    if unknown:
        raise StoreError.options(shown, unknown, list(S3_OPTIONS))
    key, colon, secret = user.partition(":")
    endpoint = given.get("endpoint_override") or next(
        filter(None, map(os.environ.get, ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))), None
    )
    region = given.get("region") or next(
        filter(None, map(os.environ.get, ("AWS_REGION", "AWS_DEFAULT_REGION"))), None
    )
    if region is None and endpoint is None:
        region = fs.resolve_s3_region(bucket)
    more = {"scheme": given["scheme"]} if "scheme" in given else {}
    return fs.S3FileSystem(
        access_key=unquote(key) if colon else None,
        secret_key=unquote(secret) if colon else None,
        anonymous=given.get("anonymous", "").lower() in ("1", "true"),
        region=region or "us-east-1",
        endpoint_override=endpoint,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **more,
    )
