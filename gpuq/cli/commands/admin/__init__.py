"""`gpuq admin`: what only administrators may change."""

from __future__ import annotations

import click

from gpuq.cli.commands.admin import (
    account,
    audit,
    batch,
    diag,
    eta_report,
    limit,
    node,
    qos,
    replay,
    report,
    reservation,
    share,
    simulate,
    token,
    user,
    what_if,
)
from gpuq.cli.group import Verbs


@click.group("admin", cls=Verbs)
def command() -> None:
    """Decide about accounts, shares, QOS, limits, reservations and nodes, and see how gpuqd fares.

    Anyone may list; operators may change nodes and reservations, admins everything. A change counts from the next
    scheduling pass on, for jobs that wait too.
    """


for _one in (
    account,
    user,
    share,
    qos,
    limit,
    reservation,
    node,
    diag,
    token,
    audit,
    batch,
    simulate,
    eta_report,
    report,
    replay,
    what_if,
):
    command.add_command(_one.command)
