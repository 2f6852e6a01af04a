"""What is known of the vaults, in a file that outlives the process."""

from exporter.state.codec import StoredVault
from exporter.state.keeper import StateKeeper

__all__ = ["StateKeeper", "StoredVault"]
