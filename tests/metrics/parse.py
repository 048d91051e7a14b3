"""Reads metrics from standard input with Prometheus' own client, and names what it found, one a line."""

import sys

from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    assert family.samples, family.name
    for sample in family.samples:
        print(family.type, sample.name, float(sample.value))
