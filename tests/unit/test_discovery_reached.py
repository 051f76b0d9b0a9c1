"""The inventory that discovery writes leads to the host as the command line did."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from action.releve_discover import reached


def connection(transport: str, become: object = None, **options: Any) -> SimpleNamespace:
    return SimpleNamespace(
        transport=transport,
        become=become,
        has_option=options.__contains__,
        get_option=options.__getitem__,
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (connection("local"), {"ansible_connection": "local"}),
        (
            connection(
                "ssh", "sudo", host="10.0.0.5", port=None, remote_user="deploy", password="x"
            ),
            {
                "ansible_connection": "ssh",
                "ansible_become": True,
                "ansible_host": "10.0.0.5",
                "ansible_user": "deploy",
            },
        ),
    ],
)
def test_how_the_host_was_reached(given: Any, wanted: dict[str, Any]) -> None:
    assert reached(given) == wanted
