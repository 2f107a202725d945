"""What administrators ask of gpuqd, and what anyone may see of their decisions: one method a question."""

from __future__ import annotations

from gpuq.client import Client, quote
from gpuq.errors import UsageError
from gpuq.text import clean, fit

TYPE_CHECKING = False  # `typing` costs as much to import as the whole client
if TYPE_CHECKING:
    from gpuq.client import Json


class AdminClient(Client):
    """Asks one gpuqd to change what all jobs are ruled by. Answers are the API's JSON; see `gpuq.sharing`.

    Changes raise ForbiddenError for whoever is neither root nor the user that gpuqd runs as. Values left None stay as
    they are. Shares are text: a whole number, or `parent`.
    """

    def accounts(self) -> Json:
        """Return `{"accounts": [sharing.AccountRow], "members": [sharing.Member]}`."""
        return self._ask("GET", "/v1/accounts")

    def add_account(self, name: str, *, parent: str | None = None, shares: str | None = None) -> Json:
        """Make an account, below the root and with one share where nothing else is said."""
        return self._ask("POST", "/v1/accounts", body=_known(name=name, parent=parent, shares=shares))

    def modify_account(self, name: str, *, parent: str | None = None, shares: str | None = None) -> Json:
        """Change an account's shares, or what it lies below."""
        return self._ask("PATCH", f"/v1/accounts/{_part(name)}", body=_known(parent=parent, shares=shares))

    def delete_account(self, name: str) -> Json:
        """Delete an account that is empty and has no jobs."""
        return self._ask("DELETE", f"/v1/accounts/{_part(name)}")

    def add_member(self, user: str, account: str, *, shares: str | None = None, is_default: bool = False) -> Json:
        """Put a user into an account; the first is its default (`sharing.Member`)."""
        return self._ask(
            "POST", "/v1/members", body=_known(user=user, account=account, shares=shares, is_default=is_default)
        )

    def modify_member(self, user: str, account: str, *, shares: str | None = None, is_default: bool = False) -> Json:
        """Change a user's shares in an account, or make that the default one."""
        path = f"/v1/members/{_part(account)}/{_part(user)}"
        return self._ask("PATCH", path, body=_known(shares=shares, is_default=is_default))

    def delete_member(self, user: str, account: str) -> Json:
        """Take a user out of an account."""
        return self._ask("DELETE", f"/v1/members/{_part(account)}/{_part(user)}")

    def qos(self) -> list[Json]:
        """Return every QOS (`sharing.QosRow`) by name."""
        return self._ask("GET", "/v1/qos")["qos"]

    def add_qos(
        self,
        name: str,
        *,
        priority: int | None = None,
        usage_factor: float | None = None,
        accounts: list[str] | None = None,
    ) -> Json:
        """Make a QOS."""
        body = _known(name=name, priority=priority, usage_factor=usage_factor, accounts=accounts)
        return self._ask("POST", "/v1/qos", body=body)

    def modify_qos(
        self,
        name: str,
        *,
        priority: int | None = None,
        usage_factor: float | None = None,
        accounts: list[str] | None = None,
    ) -> Json:
        """Change a QOS."""
        body = _known(priority=priority, usage_factor=usage_factor, accounts=accounts)
        return self._ask("PATCH", f"/v1/qos/{_part(name)}", body=body)

    def delete_qos(self, name: str) -> Json:
        """Delete a QOS that no job has."""
        return self._ask("DELETE", f"/v1/qos/{_part(name)}")

    def limits(self) -> list[Json]:
        """Return all limits (`sharing.LimitRow`) by kind and name."""
        return self._ask("GET", "/v1/limits")["limits"]

    def set_limit(self, kind: str, name: str, changes: Json) -> Json:
        """Change what a scope may have: fields of `sharing.LimitRow`, None for no limit; what is left out stays."""
        return self._ask("PATCH", f"/v1/limits/{_part(kind)}/{_part(name)}", body=changes)

    def clear_limit(self, kind: str, name: str) -> Json:
        """Take all limits of a scope away."""
        return self._ask("DELETE", f"/v1/limits/{_part(kind)}/{_part(name)}")

    def reservations(self) -> list[Json]:
        """Return the reservations that have not ended (`sharing.ReservationRow`) by start."""
        return self._ask("GET", "/v1/reservations")["reservations"]

    def add_reservation(self, reservation: Json) -> Json:
        """Keep nodes for a while: fields of `sharing.ReservationRow`; without `start_at` from now on."""
        return self._ask("POST", "/v1/reservations", body=reservation)

    def delete_reservation(self, name: str) -> Json:
        """Give a reservation's nodes back."""
        return self._ask("DELETE", f"/v1/reservations/{_part(name)}")

    def me(self) -> Json:
        """Return who asks, as gpuqd sees it (`identity.Me`)."""
        return self._ask("GET", "/v1/me")

    def create_token(self, user: str | None, name: str, expires_in_s: int | None) -> Json:
        """Make a token and return `{"row": identity.TokenRow, "token"}`; the text is told this once."""
        return self._ask("POST", "/v1/tokens", body=_known(user=user, name=name, expires_in_s=expires_in_s))

    def tokens(self) -> list[Json]:
        """Return one's own tokens (`identity.TokenRow`), or as an admin everybody's."""
        return self._ask("GET", "/v1/tokens")["tokens"]

    def revoke_token(self, token_id: int) -> Json:
        """Let nobody in by a token any more."""
        return self._ask("DELETE", f"/v1/tokens/{token_id}")

    def audit(self, *, since: float, user: str | None = None) -> list[Json]:
        """Return what was changed, or tried, since a moment (`identity.AuditRow`), in the order made."""
        return self._ask("GET", "/v1/audit", {"since": since, "user": user, "limit": 10_000})["audit"]

    def drains(self) -> list[Json]:
        """Return the drained nodes (`sharing.Drain`) by name."""
        return self._ask("GET", "/v1/drains")["drains"]

    def drain(self, node: str, reason: str) -> Json:
        """Let a node take no new job."""
        return self._ask("POST", "/v1/drains", body={"node": node, "reason": reason})

    def resume(self, node: str) -> Json:
        """Let a drained node take jobs again."""
        return self._ask("DELETE", f"/v1/drains/{_part(node)}")

    def diag(self) -> Json:
        """Return how gpuqd itself fares (`diagnosis.Diagnosis`)."""
        return self._ask("GET", "/v1/diag")

    def what_if(self, change: str) -> Json:
        """Return `{"change", "waiting", "moved": [sharing.Moved], "is_whole"}`; nothing is changed."""
        return self._ask("GET", "/v1/what-if", {"change": change})

    def replay(self, at: float, policy: str | None = None) -> Json:
        """Return `{"at", "policy", "waiting", "is_same", "recorded", "again"}` of the last pass up to a time."""
        return self._ask("GET", "/v1/record/pass", {"at": at, "policy": policy})

    def eta_report(self, since: float) -> Json:
        """Return `{"since", "until", "rows": [sharing.EtaRow]}`: how promised starts were kept."""
        return self._ask("GET", "/v1/estimates", {"since": since})

    def reset_diag(self) -> Json:
        """Return how gpuqd has fared until now, and let it count anew."""
        return self._ask("DELETE", "/v1/diag")

    def reload(self) -> list[Json]:
        """Let gpuqd read its configuration again; return what differs (`diagnosis.ConfigChange`).

        Raises:
            UsageError: the file is wrong; nothing was changed.
        """
        return self._ask("POST", "/v1/config")["changes"]


class TriedError(Exception):
    """Not an error: what a change would do (`found`), which ends the command that would have made it."""

    def __init__(self, found: Json) -> None:
        super().__init__("tried only")
        self.found = found


class TrialClient(AdminClient):
    """Asks what each change would do instead of making it: changes raise TriedError with the answer."""

    def _ask(
        self, method: str, path: str, params: Json | None = None, body: Json | None = None, headers: str = ""
    ) -> Json:
        if method == "GET":
            return super()._ask(method, path, params, body, headers)
        raise TriedError(super()._ask(method, path, {**(params or {}), "dry_run": "true"}, body, headers))


def _known(**values: object) -> Json:
    return {key: value for key, value in values.items() if value is not None}


def _part(name: str) -> str:
    """Return a name as a part of a path; one that would make another path of it is no name at all."""
    if not name or "/" in name or name in (".", ".."):
        raise UsageError(f"'{fit(clean(name), 40)}' is not a name: it is empty, or has a slash in it.")
    return quote(name)
