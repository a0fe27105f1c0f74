"""The bridge itself: everything but its triggers."""

__version__ = "0.2.0"
