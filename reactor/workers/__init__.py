"""Worker processes that can be killed. Documents from outside are parsed in them."""
