"""What is read: one module for each reading. ``registry`` names them all."""
