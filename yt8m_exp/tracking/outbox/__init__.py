"""What a run sends to MLflow: kept on the local disk until it has arrived."""
