"""What a person sees while a verb works, and when it is done."""
