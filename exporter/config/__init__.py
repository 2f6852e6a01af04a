"""The configuration file: YAML and environment to a frozen ``Config``."""

from exporter.config.load import load_config, parse_config
from exporter.config.model import Config

__all__ = ["Config", "load_config", "parse_config"]
