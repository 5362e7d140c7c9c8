"""The Jinja templates of the generated modules; each is named after the files that it makes."""
