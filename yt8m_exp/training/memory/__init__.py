"""The memory that training takes, and the memory that is free."""
