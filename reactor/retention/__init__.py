"""Deletes what was downloaded when it is old, too much or needed no more; never what reactor has not published."""
