"""How the tracking server is reached: by a client that sends no secrets, with a login."""
