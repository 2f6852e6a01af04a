"""Whose details go first: those that are waited for in all vaults of one budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from exporter.backup.details import Urgency, WantedDetail
from exporter.refresh.queue import most_urgent
from exporter.refresh.vault import VaultRefresher
from tests.builders import a_job

FAILED, NEWEST, RUNNING, REST = Urgency


@dataclass(eq=False)
class Vault:
    """As much of a vault as its rank depends on."""

    name: str
    served_at: float = float("-inf")


def chosen(number: int, waiting: dict[Vault, list[Urgency]]) -> dict[str, list[Urgency]]:
    wanted = {
        cast("VaultRefresher", vault): [WantedDetail(a_job(), one) for one in urgencies]
        for vault, urgencies in waiting.items()
    }
    return {
        vault.name: [one.urgency for one in details]
        for vault, details in most_urgent(wanted, number).items()
    }


def test_failed_jobs_of_any_vault_come_first() -> None:
    waiting = {
        Vault("a"): [NEWEST, NEWEST, REST],
        Vault("b"): [FAILED, NEWEST],
        Vault("c"): [FAILED, FAILED],
    }

    assert chosen(3, waiting) == {"b": [FAILED], "c": [FAILED, FAILED]}
    assert chosen(4, waiting)["a"] == [NEWEST]


def test_of_equal_ones_each_vault_has_one_in_turn() -> None:
    waiting = {Vault("large"): [NEWEST] * 100, Vault("small"): [NEWEST] * 2}

    assert chosen(5, waiting) == {"large": [NEWEST] * 3, "small": [NEWEST] * 2}


def test_who_has_waited_longest_begins() -> None:
    waiting = {Vault("served", served_at=9.0): [NEWEST], Vault("waits", served_at=1.0): [NEWEST]}

    assert chosen(1, waiting) == {"waits": [NEWEST]}


def test_what_is_less_urgent_waits_for_what_others_need_more() -> None:
    waiting = {Vault("a"): [RUNNING, REST], Vault("b", served_at=9.0): [NEWEST]}

    assert chosen(2, waiting) == {"b": [NEWEST], "a": [RUNNING]}
    assert chosen(0, waiting) == {}
