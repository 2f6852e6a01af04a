"""The page's first sentence: the worst of backups and vaults, and its colour."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.backup.health import LEAST_CRITICAL, Health
from exporter.metrics.fill import ENDLESS
from exporter.web.status.lines import vault_state
from exporter.words import span

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from exporter.metrics.snapshot import Overview, VaultSnapshot

TONES: Final = ("good", "warn", "bad")
"""The worst last."""

_FAILING: Final = (Health.NEVER, Health.REPEATEDLY, Health.RESTORE, Health.FAILED)
_FINE: Final = (Health.WELL, Health.ENDED)


class Verdict(NamedTuple):
    """What is told first.

    Attributes:
        tone: ``bad`` where a critical alert fires, ``warn`` where something else is not well or
            not known yet, ``good`` only if every item is well and every vault read.
        sentence: The same in words.
    """

    tone: str
    sentence: str


def verdict(
    vaults: list[VaultSnapshot],
    healths: Iterable[Health],
    overview: Overview,
    now: datetime,
) -> Verdict:
    """Judge the whole.

    Args:
        vaults: All that are read here.
        healths: Of all their items.
        overview: The exporter around them.
        now: For ages.
    """
    states = Counter(vault_state(one, now) for one in vaults)
    of_items = Counter(healths)
    told = [_items(of_items), _vaults(states, overview), _reload(overview)]
    problems = [one for one in told if one.tone != "good"]
    if any(one.tone == "bad" for one in problems) or not _unread(states, overview):
        if problems:
            worst = max((one.tone for one in problems), key=TONES.index)
            return Verdict(worst, f"{_capital('; '.join(one.sentence for one in problems))}.")
    else:
        told_so_far = [one.sentence for one in problems]
        sentences = [_so_far(states, overview), *told_so_far]
        return Verdict("warn", f"{_capital('; '.join(sentences))}.")
    total = states.total()
    oldest = min(one.refreshed_at for one in vaults if one.refreshed_at)
    read = "the only vault is" if total == 1 else f"all {vault_word(total)} are"
    read = f"{read} read and fresh, the oldest data {span(now - oldest)} old"
    if not of_items:
        return Verdict("warn", f"No finished job is known yet; {read}.")
    items = "The only item is well" if of_items.total() == 1 else f"All {_items_of(of_items)} well"
    return Verdict("good", f"{items}; {read}.")


def filling(overview: Overview, left: timedelta | None) -> str:
    """How far the first fill is; empty when it is done.

    Args:
        overview: With the fill.
        left: How long it takes at least; None while nobody can tell.
    """
    fill = overview.fill
    if fill.done or not fill.vaults:
        return ""
    if left is not None:
        outlook = f"about {span(left)} left under the read budget"
    else:
        outlook = ENDLESS if fill.endless else "the time left is not known yet"
    return (
        f"The first fill goes on: {fill.read:,} of {vault_word(fill.vaults)} read,"
        f" {fill.details:,} details wait; {outlook}."
    )


def counted(healths: Counter[Health]) -> list[str]:
    """How many items are how, in words; nothing of those that are well."""
    kinds = (
        (sum(healths[one] for one in _FAILING), "failing"),
        (healths[Health.LATE], "late"),
        (healths[Health.MISSED], "with a missed backup"),
        (healths[Health.STOPPED], "stopped within a day"),
        (healths[Health.TASK], "with a task not completed"),
        (healths[Health.WARNINGS], "with warnings"),
        (healths[Health.INCOMPLETE], "not completed"),
    )
    return [f"{number:,} {words}" for number, words in kinds if number]


def vault_word(number: int) -> str:
    """``1 vault``, ``2 vaults``."""
    return f"{number:,} vault{'s' * (number != 1)}"


def joined(parts: list[str]) -> str:
    """``a, b and c``."""
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _items(healths: Counter[Health]) -> Verdict:
    unwell = [health for health in healths if health not in _FINE]
    if not unwell:
        return Verdict("good", "")
    tone = "bad" if min(unwell) <= LEAST_CRITICAL else "warn"
    (number, words), *others = ((text.split(" ", 1)) for text in counted(healths))
    verb = "is" if number == "1" else "are"
    worst = f"{number} of {_items_word(healths.total())} {verb} {words}"
    return Verdict(tone, joined([worst, *(" ".join(other) for other in others)]))


def _vaults(states: Counter[str], overview: Overview) -> Verdict:
    failed = sum(one.up is False for one in overview.searches)
    problems = []
    if states["down"]:
        problems.append(f"{states['down']:,} of {vault_word(states.total())} cannot be read")
    if states["old"]:
        problems.append(f"the data of {vault_word(states['old'])} are old")
    if failed:
        problems.append("a search for vaults fails" if failed == 1 else f"{failed:,} searches fail")
    return Verdict("bad", joined(problems)) if problems else Verdict("good", "")


def _reload(overview: Overview) -> Verdict:
    if not overview.reload_failure:
        return Verdict("good", "")
    return Verdict("warn", "the new configuration cannot be used, and the old one goes on")


def _unread(states: Counter[str], overview: Overview) -> bool:
    """Whether something has still to be read for the first time."""
    filling_on = bool(overview.fill.vaults) and not overview.fill.done
    return not states.total() or bool(states["unread"]) or filling_on


def _so_far(states: Counter[str], overview: Overview) -> str:
    total = states.total()
    if not total:
        searching = any(one.up is None for one in overview.searches)
        return "the search for vaults has not ended yet" if searching else "no vault is read"
    if states["unread"]:
        return f"{total - states['unread']:,} of {vault_word(total)} read so far"
    return f"the first fill goes on, {overview.fill.details:,} details still wait"


def _items_word(number: int) -> str:
    return f"{number:,} item{'s' * (number != 1)}"


def _items_of(healths: Counter[Health]) -> str:
    return f"{_items_word(healths.total())} are"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
