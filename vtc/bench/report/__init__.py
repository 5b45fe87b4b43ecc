"""The report of a benchmark: one file of HTML that needs no other."""

from vtc.bench.report.page import write_report
from vtc.bench.report.results import Results

__all__ = ["Results", "write_report"]
