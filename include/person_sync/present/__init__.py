"""What people are shown: plans, history and reports, as text, JSON and HTML."""
