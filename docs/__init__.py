"""The manual: pages in Markdown, and pages on the cells that are written from the cells themselves."""
