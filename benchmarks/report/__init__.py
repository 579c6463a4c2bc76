"""Results as JSON, tables, plots and targets."""
