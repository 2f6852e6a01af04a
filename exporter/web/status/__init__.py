"""The status page, for the person who opens the port in a browser."""
