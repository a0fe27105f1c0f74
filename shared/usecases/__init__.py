"""What the bridge does, one verb per module."""
