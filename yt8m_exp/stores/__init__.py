"""Where files lie: a local disk, Google Cloud Storage, a web server; and a cache of the distant."""
