"""The paper, run again: its tasks and methods, plans of runs that survive a kill, pictures and a report.

Rules of this room:

- a setting of the paper stands once, in `tasks` or `methods`, with where it comes from;
- what a run did (`record.json`) holds nothing that depends on the machine's speed or on when it was
  interrupted; seconds live in `timings.json`;
- a file is there whole or not at all, and everything that a report says is read from these files.
"""
