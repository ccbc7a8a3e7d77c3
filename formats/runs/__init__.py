"""Runs as every side reads them: their records, what differs between them, what a comparison must mind."""
