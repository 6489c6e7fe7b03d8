"""Airflow operators that read from and write to Marketo."""
