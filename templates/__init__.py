"""The Jinja templates of the generated modules, named after the files that they make, and of the report's page."""
