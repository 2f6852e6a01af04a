"""The dashboards as code; ``grafana/generate.py`` makes the JSON of them."""
