"""Everything about aria2: what to ask it, the socket to it, and an aria2c of our own."""
