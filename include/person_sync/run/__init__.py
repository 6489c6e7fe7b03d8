"""What carries a run: its request, its surroundings, its staged files, and the stages in a row."""
