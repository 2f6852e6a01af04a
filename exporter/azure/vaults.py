"""The vaults of a subscription, as Azure Resource Manager lists them.

These reads are not backupJobs': they come out of Resource Manager's general bucket (FACTS 10).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from exporter.azure.parsing import count_problems, parsed
from exporter.backup.vaults import parse_vault_page, parse_vaults
from exporter.errors import ArmError, ErrorKind

if TYPE_CHECKING:
    from exporter.azure.session import ArmSession
    from exporter.backup.model import Vault
    from exporter.metrics.selfmetrics import SelfMetrics

_MOST_PAGES: Final = 1000
_ATTEMPTS: Final = 4


class VaultsApi:
    """Lists vaults.

    Args:
        session: With Resource Manager.
        api_version: Of every request.
        metrics: Counts what cannot be read.
    """

    def __init__(self, session: ArmSession, api_version: str, metrics: SelfMetrics) -> None:
        self._session = session
        self._api_version = api_version
        self._metrics = metrics

    def vaults(self, scope: str, *, give_up_at: float) -> list[Vault]:
        """All vaults below a subscription.

        Args:
            scope: Its path.
            give_up_at: Monotonic time after which nothing is tried again.

        Raises:
            ArmError: A page could not be read: then nothing is known of any.
        """
        vaults: list[Vault] = []
        seen: set[str] = set()
        url: str | None = self._url(f"{scope}/providers/Microsoft.RecoveryServices/vaults")
        while url is not None:
            if url in seen or len(seen) >= _MOST_PAGES:
                message = f"the vault list does not end ({len(seen)} pages)"
                raise ArmError(ErrorKind.PAYLOAD, message)
            seen.add(url)
            answer = self._session.read(
                url, api="vaults_list", give_up_at=give_up_at, attempts=_ATTEMPTS
            )
            page = parsed(parse_vault_page, answer, self._metrics, "vaults_list")
            count_problems(page.problems, self._metrics, "vaults_list")
            vaults += page.vaults
            url = page.next_link
        return vaults

    def region(self, vault: Vault, *, give_up_at: float) -> str:
        """The region of a vault, asked for by its id; empty if Azure does not say.

        Raises:
            ArmError: It could not be read.
        """
        url = self._url(vault.path)
        answer = self._session.read(url, api="vault", give_up_at=give_up_at, attempts=1)
        problems: Counter[str] = Counter()
        found = parse_vaults([answer.body], problems)
        count_problems(problems, self._metrics, "vault")
        return found[0].location if found else ""

    def exists(self, vault: Vault, *, give_up_at: float) -> bool:
        """Whether Azure has a vault, asked for by its id.

        Raises:
            ArmError: That cannot be said.
        """
        url = self._url(vault.path)
        try:
            self._session.read(url, api="vault", give_up_at=give_up_at, attempts=1)
        except ArmError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return False
            raise
        return True

    def _url(self, path: str) -> str:
        return f"{quote(path, safe='/()')}?api-version={self._api_version}"
