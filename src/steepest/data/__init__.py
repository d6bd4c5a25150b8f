"""Rows from anywhere, columns to numbers."""
