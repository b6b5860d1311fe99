"""Studies: what Optuna holds of them, the driver, and where trials run."""
