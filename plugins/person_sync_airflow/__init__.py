"""What Airflow needs of the sync as a whole: provider information, retry policy and alerts."""
