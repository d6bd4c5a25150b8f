"""Contestants measured side by side: ``python -m benchmarks`` lists what there is."""
