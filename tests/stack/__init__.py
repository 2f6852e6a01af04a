"""The exporter as a process, against the simulated Azure and the real Prometheus of Debian."""
