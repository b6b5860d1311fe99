"""What MLflow holds of a model: its versions, which one is the champion, and why."""
