"""What MLflow holds of a run."""
