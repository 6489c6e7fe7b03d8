"""The Airflow hook of a Marketo connection."""
