"""The dataset from its server: plans, transfers, and where files go."""
