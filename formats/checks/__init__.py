"""What `formats.verify` checks, from files to samples."""
