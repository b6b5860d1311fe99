"""The loop, its losses, schedules and checkpoints."""
