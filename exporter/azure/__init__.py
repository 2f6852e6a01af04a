"""The way in: sign-in, session, read budget and one module for each Azure API."""
