"""The commands that make the published numbers; `python -m benchmarks.NAME --help`. Their results lie in results/."""
