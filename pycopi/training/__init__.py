"""The epoch loop: batches, schedules, history, progress, and the guard against divergence."""
