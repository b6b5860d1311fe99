"""The work behind the verbs, a file a job."""
