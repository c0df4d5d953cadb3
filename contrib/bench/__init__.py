"""The bench: this reactor, a polling downloader and bare aria2c side by side. See `python -m contrib.bench --help`."""
