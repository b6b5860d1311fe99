"""What MLflow's pages show: descriptions, views, the names of models and of experiments."""
