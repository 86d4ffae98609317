"""Own one reusable curl handle: the options that always hold, and those of a single transfer."""

import os
import socket
from collections.abc import Sequence

import pycurl

from subscriptions.endpoints.http.certificates import TlsFiles

LONGEST_CONNECT_MS = 60_000  # more than any timeout: connecting has no limit of its own
MAX_ADDRESSES = 16  # addresses of one name that are tried


class CurlHandle:
    """Set the options of a curl handle. It takes no proxy, cookie or password file from the environment.

    ``options``: those of the current transfer only, with the values they are reset to. ``has_addresses``: whether the
    last transfer left addresses in libcurl's cache of names.
    """

    def __init__(self, protocols: int) -> None:
        """``protocols``: those that URLs may have, as libcurl's flags."""
        self.options: dict[int, int] = {}
        self.has_addresses = False
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.PROTOCOLS, protocols)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, LONGEST_CONNECT_MS)

    def set_option(self, option: int, value: int, usual: int) -> None:
        """Set an option for the current transfer; ``reset_options`` sets it to ``usual`` again."""
        self.options[option] = usual
        self.curl.setopt(option, value)

    def reset_options(self) -> None:
        """Set the options of the last transfer to their usual values."""
        for option, usual in self.options.items():
            self.curl.setopt(option, usual)
        self.options.clear()

    def set_addresses(self, authority: str, addresses: Sequence[str]) -> None:
        """Fill libcurl's cache of names before the transfer: it never looks one up itself.

        ``authority``: host and port ("example.com:443"); empty if the host is an address.
        """
        self.has_addresses = bool(authority)
        if authority:
            entry = f"+{authority}:" + ",".join(f"[{it}]" if ":" in it else it for it in addresses[:MAX_ADDRESSES])
        else:
            entry = "-unused.invalid:1"  # replaces the entry of the handle's last transfer, which is old by now
        self.curl.setopt(pycurl.RESOLVE, [entry])

    def set_certificates(self, files: TlsFiles) -> None:
        """Use the endpoint's own certificates. They stay on the handle: close it after the transfer.

        libcurl reuses a connection only for requests with the same certificates.
        """
        if files.certificate and files.private_key:
            self.curl.setopt(pycurl.SSLCERT_BLOB, files.certificate)
            self.curl.setopt(pycurl.SSLKEY_BLOB, files.private_key)
        if files.ca:
            self.curl.setopt(pycurl.CAINFO_BLOB, files.ca)


class OwnedSocket:
    """Own a socket's descriptor for pycurl, which works on a duplicate: this one is closed when pycurl drops it."""

    __slots__ = ("_fd",)

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        """Open a socket. Raises OSError, also if there is no descriptor left for the duplicate."""
        self._fd = socket.socket(family, kind, protocol).detach()
        os.close(os.dup(self._fd))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def __del__(self) -> None:
        os.close(self._fd)
