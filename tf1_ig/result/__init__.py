"""What an explanation returns, and how it is saved."""
