"""Prometheus exporter for Azure Backup: jobs of Recovery Services vaults as metrics."""

__version__ = "0.1.0"
