"""What can be added to the training of any model; all of it is off by default."""
