"""What a run writes down while it trains, and where it goes."""
