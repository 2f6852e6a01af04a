"""The status page in a real browser: what people and screen readers get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.clock import SystemClock
from tests.builders import a_detail, a_job, a_running_job, a_vault
from tests.pages import a_snapshot
from tests.stack.browser import look
from tests.web.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "x" * 300, '"><img src=x onerror=y>']


LONG = (
    "no token for https://management.azure.com/.default: DefaultAzureCredential failed to retrieve"
    " a token from the included credentials. Attempted credentials: "
    + "EnvironmentCredential: EnvironmentCredential authentication unavailable; " * 8
    + "What to do: sign in: run `az login`."
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The same page as a phone and as a screen show it, light and dark."""
    failed = [
        a_job(str(n), item=name, protection_container=str(n), status="Failed")
        for n, name in enumerate(HOSTILE)
    ]
    runs = a_running_job(detail=a_detail(progress_ratio=0.4))
    now = SystemClock().now()
    with running() as server:
        broken = a_vault(name="broken")
        publish = server.store.show([a_vault(), a_vault(name="y" * 60), broken])
        publish(a_snapshot(*failed, runs, refreshed_at=now))
        reason = "403 Forbidden. What to do: assign a role."
        publish(a_snapshot(vault=a_vault(name="y" * 60), up=False, failure=reason))
        publish(a_snapshot(vault=broken, up=False, failure=LONG))
        looks = {
            "light": {"width": 1200, "scheme": "light"},
            "dark": {"width": 1200, "scheme": "dark"},
            "phone": {"width": 320, "scheme": "light"},
        }
        jobs = [{"url": f"{server.url}/", **look} for look in looks.values()]
        pages = look(tmp_path_factory.mktemp("chromium"), jobs)
        yield dict(zip(looks, pages, strict=True))


def test_nothing_is_complained_of_and_nothing_fetched_elsewhere(
    seen: dict[str, dict[str, Any]],
) -> None:
    for page in seen.values():
        assert page["complaints"] == []
        assert page["scripts"] == 0
        assert all(url.startswith("http://127.0.0.1:") for url in page["requests"])


def test_hostile_names_are_text(seen: dict[str, dict[str, Any]]) -> None:
    """As themselves; a character that turns the direction of text is written out."""
    for name in HOSTILE:
        assert name.replace("\u202e", r"\u202e") in seen["light"]["text"]


def test_the_state_comes_first_and_the_fix_with_it(seen: dict[str, dict[str, Any]]) -> None:
    page = seen["light"]

    assert page["title"].startswith("4 of 4 items are failing; 2 of 3 vaults cannot be read.")
    assert "What to do: assign a role." in page["text"]
    assert "What to do: sign in: run `az login`." in page["text"]


def test_a_long_error_breaks_no_table(seen: dict[str, dict[str, Any]]) -> None:
    """Columns were so narrow that a state stood there as "La/st/re/ad"."""
    for page in seen.values():
        assert page["narrowest"] >= 60
        assert LONG[:200] not in page["text"]


def test_a_screen_reader_finds_its_way(seen: dict[str, dict[str, Any]]) -> None:
    for page in seen.values():
        assert page["headings"] == 1
        assert page["landmarks"] == [1, 1, 1, 1]
        assert page["tables"] == 3
        tree = page["tree"]
        assert 'heading "Items that are not well" [level=2]' in tree
        assert "progressbar" in tree
        assert "rowheader" in tree
        assert 'textbox "Only the vault"' in tree


def test_the_focus_is_visible(seen: dict[str, dict[str, Any]]) -> None:
    texts = [text for text, *_ in seen["light"]["focus"]]

    assert texts[:2] == ["Skip to the status", "Metrics"]
    assert all(style == "solid" and width >= 2 for _, style, width in seen["light"]["focus"])


def test_a_narrow_phone_does_not_scroll_sideways(seen: dict[str, dict[str, Any]]) -> None:
    for page in seen.values():
        content, window = page["widths"]
        assert content <= window


def test_text_stands_out_in_light_and_dark(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["light"]["background"] != seen["dark"]["background"]
    for page in seen.values():
        assert page["contrast"]["ratio"] >= 4.5, page["contrast"]
