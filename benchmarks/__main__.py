"""All measurements: ``python -m benchmarks``."""

from benchmarks import cardinality

print(cardinality.table())
