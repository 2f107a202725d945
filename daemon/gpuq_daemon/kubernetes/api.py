"""Questions to a Kubernetes API: one connection each, bounded answers, raw JSON. They block."""

from __future__ import annotations

import http.client
import json
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from gpuq.errors import GpuqError
from gpuq_daemon.kubernetes.access import Access, AccessError

_TIMEOUT_S = 15.0
_LARGEST = 256 * 1024 * 1024
_WORDS_SHOWN = 300

GONE = 410
NOT_FOUND = 404


class ApiError(GpuqError):
    """The Kubernetes API did not do what it was asked; `status` is HTTP's, None where nobody answered."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Refusal(msgspec.Struct):
    message: str = ""


class Api:
    """One Kubernetes API, asked as one person. Threads may share it."""

    def __init__(self, access: Access, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._access = access
        self._tls = access.tls()
        self._timeout_s = timeout_s

    @property
    def server(self) -> str:
        """The API's address."""
        return self._access.server

    def ask(self, method: str, path: str, body: object = None, **query: str | int) -> bytes:
        """Return what the API answers.

        Raises:
            ApiError: nobody answers, or it refuses.
        """
        with self.answer(method, path, body, query) as answer:
            try:
                text = answer.read(_LARGEST + 1)
            except (OSError, http.client.HTTPException) as error:
                raise ApiError(f"{self.server} stopped in the middle of an answer: {error}.") from error
        if len(text) > _LARGEST:
            raise ApiError(f"{self.server} answers more than {_LARGEST} bytes to {path}.")
        return text

    def json(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """Return what the API answers, as JSON."""
        return json.loads(self.ask(method, path, body, **query))

    @contextmanager
    def answer(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Mapping[str, str | int] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Generator[http.client.HTTPResponse]:
        """Give the API's answer to be read as it comes; `timeout_s` is for each silence.

        Raises:
            ApiError: nobody answers, or it refuses.
        """
        parts = urlsplit(self.server)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=self._tls, timeout=timeout_s or self._timeout_s
        )
        target = f"{parts.path}{path}" + (f"?{urlencode(query)}" if query else "")
        with closing(connection):
            try:
                connection.request(method, target, _encoded(body), self._headers(method, body))
                found = connection.getresponse()
                if found.status >= 300:
                    raise _refused(path, found.status, found.read(64 * 1024))
            except (OSError, http.client.HTTPException) as error:
                raise ApiError(f"The Kubernetes API {self.server} does not answer: {error}.") from error
            yield found

    def _headers(self, method: str, body: object) -> Mapping[str, str]:
        try:
            who = self._access.authorization()
        except AccessError as error:
            raise ApiError(str(error)) from error
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return {
            "Accept": "application/json",
            "User-Agent": "gpuq",
            **({} if who is None else {"Authorization": who}),
            **({} if body is None else {"Content-Type": kind}),
        }


def _encoded(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _refused(path: str, status: int, text: bytes) -> ApiError:
    try:
        said = msgspec.json.decode(text, type=_Refusal).message
    except msgspec.DecodeError:
        said = text.decode(errors="replace")
    return ApiError(f"The Kubernetes API refuses {path} ({status}): {' '.join(said.split())[:_WORDS_SHOWN]}", status)
