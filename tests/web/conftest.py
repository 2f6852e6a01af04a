"""A certificate authority, and web configurations that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.web.running import Certificates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path) -> Certificates:
    return Certificates(authority, tmp_path)
