"""The Airflow hook of a Dynamics 365 connection."""
