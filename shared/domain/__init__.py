"""The rules of the bridge: pure, without I/O and without a clock."""
