"""Jobs as Azure sends them, and JSON as it never should."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.builders import NOW

ARTICLE_VAULT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg"
    "/providers/Microsoft.RecoveryServices/vaults/article"
)


def a_payload(name: str = "7ddead57-bcb9-4269-ac31-6a1b57588700", **changes: Any) -> dict[str, Any]:
    """The job of Microsoft's article, in the article's own form, ended an hour ago."""
    end = NOW - timedelta(hours=1)
    properties: dict[str, Any] = {
        "jobType": "AzureIaaSVMJob",
        "duration": "00:20:23.0896697",
        "actionsInfo": [1],
        "virtualMachineVersion": "Compute",
        "extendedInfo": {
            "tasksList": [
                {"taskId": "Take Snapshot", "duration": "00:00:00", "status": "Completed"},
                {"taskId": "Transfer data to vault", "duration": "00:00:00", "status": "Completed"},
            ],
            "propertyBag": {"VM Name": "uttestvmub1", "Backup Size": "2332 MB"},
        },
        "entityFriendlyName": "uttestvmub1",
        "backupManagementType": "AzureIaasVM",
        "operation": "Backup",
        "status": "Completed",
        "startTime": f"{end - timedelta(seconds=1223.0896697):%Y-%m-%dT%H:%M:%S.%f}7Z",
        "endTime": f"{end:%Y-%m-%dT%H:%M:%S.%f}4Z",
        "activityId": "7df8e874-1d66-4f81-8e91-da2fe054811d",
        **changes,
    }
    return {
        "id": f"{ARTICLE_VAULT}/backupJobs/{name}",
        "name": name,
        "type": "Microsoft.RecoveryServices/vaults/backupJobs",
        "properties": {key: value for key, value in properties.items() if value is not None},
    }


ODD_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
