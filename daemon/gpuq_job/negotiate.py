"""Kerberos towards a web server, by the system's own library: a ticket as an HTTP header.

MIT's library finds tickets where it always does: in the cache that KRB5CCNAME names, or it gets them with the keytab
that KRB5_CLIENT_KTNAME names, and again before they end.

Source: RFC 2744 (GSS-API in C), RFC 4178 (SPNEGO), RFC 4559 (the header).
"""

from __future__ import annotations

import base64
import ctypes
from ctypes import POINTER, byref, c_char_p, c_size_t, c_uint32, c_void_p
from functools import cache
from typing import ClassVar

_LIBRARY = "libgssapi_krb5.so.2"
_HOST_BASED_SERVICE = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04"  # 1.2.840.113554.1.2.1.4
_SPNEGO = b"\x2b\x06\x01\x05\x05\x02"  # 1.3.6.1.5.5.2
_ERRORS = 0xFFFF0000
_BY_MECHANISM = 2
_MOST_SENTENCES = 8


class KerberosError(Exception):
    """There is no ticket; the message is a clause that says why."""


class _Buffer(ctypes.Structure):
    _fields_: ClassVar = [("length", c_size_t), ("value", c_void_p)]

    @classmethod
    def of(cls, data: bytes) -> _Buffer:
        return cls(len(data), ctypes.cast(c_char_p(data), c_void_p))


class _Kind(ctypes.Structure):
    """What GSS-API calls an OID."""

    _fields_: ClassVar = [("length", c_uint32), ("elements", c_void_p)]

    @classmethod
    def of(cls, data: bytes) -> _Kind:
        return cls(len(data), ctypes.cast(c_char_p(data), c_void_p))


def authorization(host: str) -> str:
    """Return the Authorization header for the web server `HTTP@host`. It may ask a KDC, with that library's own limits.

    Raises:
        KerberosError: the library, a ticket or a KDC is missing.
    """
    library = _library()
    minor, name, context, token = c_uint32(), c_void_p(), c_void_p(), _Buffer()
    service, kind, spnego = f"HTTP@{host}".encode(), _Kind.of(_HOST_BASED_SERVICE), _Kind.of(_SPNEGO)
    said = _Buffer.of(service)
    try:
        _check(library.gss_import_name(byref(minor), byref(said), byref(kind), byref(name)), minor)
        _check(
            library.gss_init_sec_context(
                byref(minor),
                None,
                byref(context),
                name,
                byref(spnego),
                0,
                0,
                None,
                None,
                None,
                byref(token),
                None,
                None,
            ),
            minor,
        )
        return f"Negotiate {base64.b64encode(_taken(token)).decode()}"
    finally:
        library.gss_release_buffer(byref(minor), byref(token))
        library.gss_delete_sec_context(byref(minor), byref(context), None)
        library.gss_release_name(byref(minor), byref(name))


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise KerberosError(f"{_LIBRARY} is not installed (Debian: libgssapi-krb5-2, Red Hat: krb5-libs)") from error
    number, pointer, buffer, kind = POINTER(c_uint32), POINTER(c_void_p), POINTER(_Buffer), POINTER(_Kind)
    handle = c_void_p
    # fmt: off
    for function, arguments in (
        (library.gss_import_name, (number, buffer, kind, pointer)),
        (library.gss_init_sec_context, (number, handle, pointer, handle, kind, c_uint32, c_uint32, handle, handle,
                                        handle, buffer, handle, handle)),
        (library.gss_display_status, (number, c_uint32, ctypes.c_int, handle, number, buffer)),
        (library.gss_release_buffer, (number, buffer)),
        (library.gss_delete_sec_context, (number, pointer, handle)),
        (library.gss_release_name, (number, pointer)),
    ):
        function.argtypes, function.restype = arguments, c_uint32
    # fmt: on
    return library


def _check(major: int, minor: c_uint32) -> None:
    if major & _ERRORS:
        raise KerberosError(_sentence(minor.value) or f"GSS-API says {major:#x}")


def _sentence(code: int) -> str:
    """Return what the library says of an error of Kerberos."""
    library, more, minor = _library(), c_uint32(), c_uint32()
    said: list[str] = []
    for _ in range(_MOST_SENTENCES):
        text = _Buffer()
        if library.gss_display_status(byref(minor), code, _BY_MECHANISM, None, byref(more), byref(text)) & _ERRORS:
            break
        said.append(_taken(text).decode(errors="replace"))
        library.gss_release_buffer(byref(minor), byref(text))
        if not more.value:
            break
    return "; ".join(said)


def _taken(buffer: _Buffer) -> bytes:
    return ctypes.string_at(buffer.value, buffer.length) if buffer.value else b""
