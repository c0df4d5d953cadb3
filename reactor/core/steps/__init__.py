"""The steps of one job, a file for each phase.

Each is a plain function `(job, event, context) -> commands` that moves the job; which one comes when, and where it may
lead, stands in `lifecycle.TABLE`."""
