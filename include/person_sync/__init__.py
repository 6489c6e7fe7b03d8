"""The two-way sync between Marketo people and Dynamics 365 contacts and leads."""
