"""What MLflow holds of a run, a study and a trial."""
