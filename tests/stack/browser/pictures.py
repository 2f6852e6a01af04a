"""Takes the pictures of the status page: ``python tests/stack/browser/pictures.py``.

Needs npm and Chromium. The fleet is the demo's, a while after its start.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from tests.processes import daemon  # noqa: E402 - a script, not a module of the package
from tests.stack.browser import look  # noqa: E402

_LIVES_SECONDS: Final = 20


def main() -> None:
    """Take both."""
    pictures = ROOT / "docs/images"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with daemon("demo", log=folder / "demo.log") as demo:
            time.sleep(_LIVES_SECONDS)
            look(
                folder,
                [
                    {
                        "url": demo.url,
                        "width": 1200,
                        "scheme": scheme,
                        "picture": str(pictures / f"{name}.png"),
                    }
                    for scheme, name in (("light", "status"), ("dark", "status-dark"))
                ],
            )


if __name__ == "__main__":
    main()
