"""The work behind the verbs, one file for each job."""
