"""Everything of the person sync that runs without Airflow."""
