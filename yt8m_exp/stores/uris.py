"""Which store a URI belongs to."""

from collections.abc import Callable
from functools import cache

from yt8m_exp.spec import InputError
from yt8m_exp.stores.gcs import GoogleCloudStorage
from yt8m_exp.stores.local import LocalDisk
from yt8m_exp.stores.objects import Store
from yt8m_exp.stores.web import WebServer

STORES: dict[str, Callable[[], Store]] = {
    "": LocalDisk,
    "gs": GoogleCloudStorage,
    "https": WebServer,
    "http": WebServer,
}


def is_local(uri: str) -> bool:
    """Tells whether a URI is a path of this machine."""
    return not scheme(uri)


def store_of(uri: str) -> Store:
    """Returns the store that holds what lies at a URI.

    Raises:
        InputError: there is no store for such a URI.
    """
    return _store(scheme(uri))


def scheme(uri: str) -> str:
    """Returns what stands before `://` in a URI, in lower case; empty in a local path."""
    before, mark, _ = uri.partition("://")
    return before.lower() if mark else ""


@cache  # a store keeps its connections open
def _store(scheme: str) -> Store:
    if scheme not in STORES:
        raise InputError(
            f"Files can lie at local paths, gs://, https:// and http://, but got {scheme}://."
        )
    return STORES[scheme]()
