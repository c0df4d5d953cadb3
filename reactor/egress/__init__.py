"""What stands between a stranger's text and our files, our logs and other people's servers."""
