"""The way out: ``/metrics``, health and the status page over HTTP."""
