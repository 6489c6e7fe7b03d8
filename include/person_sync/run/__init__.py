"""What carries a run: its request, its context, its staged files, and the stages in a row."""
