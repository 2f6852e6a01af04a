"""The kinds of values a configuration file holds, beyond YAML's own."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

_DURATION_PART: Final = r"([0-9]{1,9})(ms|[smhdwy])"
_DURATION: Final = f"^({_DURATION_PART})+$"
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
_LINE_BREAK: Final = re.compile(r"[\t\n\r]")
_LONGEST_QUOTE: Final = 40
_LARGEST_COUNT: Final = 999_999_999
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


def read_duration(value: object) -> timedelta:
    """The span that a duration of Prometheus' form names, e.g. ``1h30m``.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise ValueError(f"write a duration such as 30s, 5m or 1h30m, not {_quoted(value)}")
    try:
        return sum(
            (int(number) * _UNITS[unit] for number, unit in re.findall(_DURATION_PART, value)),
            timedelta(),
        )
    except OverflowError as error:
        raise ValueError(f"{value} is longer than this program can count") from error


def format_duration(value: timedelta) -> str:
    """The duration as Prometheus writes it, e.g. ``1h30m``."""
    parts, rest = [], value
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _at_least(least: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value < least:
            raise ValueError(f"write {format_duration(least)} or more")
        return value

    return AfterValidator(check)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    return _LOOPBACK.fullmatch(host) is not None


def _at_most(most: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value > most:
            raise ValueError(f"write {format_duration(most)} or less")
        return value

    return AfterValidator(check)


def _read_count(value: object) -> int:
    """A number that came from an environment variable is text."""
    if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,8}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"write a whole number such as 1000, not {_quoted(value)}")


def as_flag(value: object) -> bool | None:
    """True or false; the words of YAML 1.1, and what came from a variable, are text."""
    if isinstance(value, str):
        return _FLAGS.get(value.lower())
    return value if isinstance(value, bool) else None


def _read_flag(value: object) -> bool:
    flag = as_flag(value)
    if flag is None:
        raise ValueError(f"write true or false, not {_quoted(value)}")
    return flag


def _quoted(value: object) -> str:
    """What was written, as far as it fits a message."""
    match value:
        case None | bool():
            return str(value).lower().replace("none", "null")
        case str() | int():
            text = repr(value)
            return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
        case dict():
            return "a section"
        case _:
            return "a list"


def _check_line(text: str) -> str:
    if found := _LINE_BREAK.search(text):
        raise ValueError(
            f"write one line of text: U+{ord(found[0]):04X} stands at position {found.start() + 1}"
        )
    return text


def _check_secret(secret: SecretStr) -> SecretStr:
    _check_line(secret.get_secret_value())
    return secret


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a URL such as https://management.azure.com")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("use https: over http a token would travel in clear")
    return url.rstrip("/")


def check_name(name: str) -> str:
    """Refuse what cannot be a segment of a resource id."""
    if not name.strip() or re.search(r"[/?#\s]", name):
        raise ValueError(f"{name!r} is no name of an Azure resource")
    return name


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern


def _read_age(value: object) -> timedelta | None:
    if value == "never":
        return None
    try:
        age = read_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or write never") from error
    if not age:
        raise ValueError("write more than nothing, or never")
    return age


Age = Annotated[
    timedelta | None,
    BeforeValidator(_read_age),
    PlainSerializer(lambda age: "never" if age is None else format_duration(age)),
    WithJsonSchema({"anyOf": [{"const": "never"}, {"type": "string", "pattern": _DURATION}]}),
]
"""A duration that may be without end."""

Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["30s", "5m", "1h30m"]}),
]
Span = Annotated[Duration, _at_least(timedelta(milliseconds=1))]
Interval = Annotated[Duration, _at_least(timedelta(seconds=1))]
Timeout = Annotated[Span, _at_most(timedelta(minutes=10))]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Count = Annotated[int, BeforeValidator(_read_count), Field(ge=1, le=_LARGEST_COUNT)]
Threads = Annotated[Count, Field(le=256)]
CountFromZero = Annotated[int, BeforeValidator(_read_count), Field(ge=0, le=_LARGEST_COUNT)]
Url = Annotated[str, AfterValidator(_check_url)]
Name = Annotated[str, AfterValidator(check_name)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_check_line)]
Secret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_check_secret)]
Pattern = Annotated[Text, AfterValidator(_check_pattern)]
ApiVersion = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$")]
