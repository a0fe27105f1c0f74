"""The bridge itself: everything but its triggers."""
