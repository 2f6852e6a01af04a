"""The pure core: Azure JSON to model to roll-up. No network, files, clock or logging."""
