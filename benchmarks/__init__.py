"""Measurements that anyone can repeat: ``python -m benchmarks`` prints a table. Figures are ratios or CPU time within one run."""
