"""What was measured, kept as JSON and written as tables, plots and targets."""
