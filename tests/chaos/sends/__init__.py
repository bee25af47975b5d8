"""Several sender replicas under kills, pauses and faults, and what must hold all the same."""
