"""What Airflow sees of Marketo: hook and operators around `include.marketo`."""
