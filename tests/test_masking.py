"""Secrets in every form in which somebody may send them back."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.masking import MASK, Masker

SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=40
).filter(lambda text: text == text.strip())


def echoes(secret: str) -> dict[str, str]:
    """What errors, forms and headers make of a secret."""
    raw = secret.encode()
    return {
        "as it is": f"no token: wrong {secret}, sorry",
        "in a URL": f"http://user:{quote(secret, safe='')}@proxy:3128/",
        "in a URL, lower case": re.sub(
            "%[0-9A-F]{2}", lambda code: code[0].lower(), quote(secret, safe="")
        ),
        "in a path": quote(secret),
        "in a form": urlencode({"client_secret": secret, "scope": "x"}),
        "in a form, by hand": f"a=b&client_secret={quote_plus(secret)}&c=d",
        "in JSON": json.dumps({"error_description": f"it was {secret}"}),
        "in JSON as it is": json.dumps({"error_description": secret}, ensure_ascii=False),
        "in HTML": f"<p>{html.escape(secret)}</p>",
        "in a traceback": f"ValueError({secret!r})",
        "in Base64": base64.b64encode(raw).decode(),
        "in Base64 of URLs": base64.urlsafe_b64encode(raw).decode(),
    }


@given(SECRETS)
def test_no_form_of_a_secret_comes_out(secret: str) -> None:
    masker = Masker()
    masker.hide(secret)

    for form, text in echoes(secret).items():
        for shown in (masker.masked(text), masker.masked_body(text.encode()).decode()):
            assert MASK in shown, form
            assert secret not in shown, form


@given(st.text(max_size=200))
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    masker = Masker()
    masker.hide("\x01s3cret-of-the-service-principal\x01")

    assert masker.masked(text) == text


def test_a_token_is_hidden_whoever_made_it() -> None:
    """Client assertions are signed inside azure-identity, and sent as a part of a form."""
    token = "eyJ0eXAiOiJKV1Qi.eyJzdWIiOiJhcHAiLCJhdWQ.c2lnbmF0dXJl-_x"
    masker = Masker()

    assert masker.masked(f"you sent Bearer {token}.") == f"you sent Bearer {MASK}."
    assert masker.masked_body(f'{{"a":"{token}"}}'.encode()) == f'{{"a":"{MASK}"}}'.encode()


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("back", "the backup of back failed", f"the backup of {MASK} failed"),
        ("ab", "about ab", "about ab"),
        ("", "nothing", "nothing"),
        (None, "nothing", "nothing"),
    ],
)
def test_a_short_secret_spoils_no_other_word(secret: str | None, text: str, shown: str) -> None:
    masker = Masker()
    masker.hide(secret)

    assert masker.masked(text) == shown


def test_what_is_no_text_is_masked_too() -> None:
    masker = Masker()
    masker.hide("s3cret-of-the-service-principal")

    content = b"\xff\xfe s3cret-of-the-service-principal \x80"

    assert masker.masked_body(content) == b"\xff\xfe [hidden] \x80"


def test_the_secrets_of_a_long_life_take_no_more_and_more_memory() -> None:
    masker = Masker()
    for number in range(100):
        masker.hide(f"secret-number-{number:04}")

    assert masker.masked("secret-number-0099") == MASK
    assert masker.masked("secret-number-0000") == "secret-number-0000"
