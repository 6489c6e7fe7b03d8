"""Airflow operators that read from and write to Dynamics 365."""
