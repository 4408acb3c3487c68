"""Figures and exports of a history. Pure: iterators in, rows and frozen figures out."""

from tensordrill.report.export import COLUMNS, as_csv, as_json, rows
from tensordrill.report.progress import Summary, Track, summary

__all__ = ["COLUMNS", "Summary", "Track", "as_csv", "as_json", "rows", "summary"]
