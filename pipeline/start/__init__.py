"""The first step with pages of one's own: recognise the labels, survey the pages, write a configuration."""
