"""What is known of the vaults, in a file that outlives the process."""

from exporter.state.codec import StoredVault
from exporter.state.keeper import StateKeeper
from exporter.state.notes import Notes, SpentBudget

__all__ = ["Notes", "SpentBudget", "StateKeeper", "StoredVault"]
