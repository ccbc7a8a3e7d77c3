"""What a run and an evaluation look like: curves, pages with boxes, reports."""
