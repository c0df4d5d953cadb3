"""Pages that are made of the code: `python -m contrib.docs.document`."""
