# One image for every Airflow process; docker-compose.yaml says which one a container runs.
FROM python:3.11-slim-bookworm

ENV AIRFLOW_HOME=/opt/airflow \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/airflow:/opt/airflow/plugins \
    PYTHONUNBUFFERED=1

# Named volumes take their owner from the directories they are mounted on.
RUN useradd --uid 50000 --gid 0 --no-create-home --home-dir /opt/airflow airflow \
    && mkdir -p /opt/airflow/logs /opt/airflow/staging /opt/sandbox \
    && chown -R airflow:0 /opt/airflow /opt/sandbox

WORKDIR /opt/airflow

# The lock changes less often than the project: its layer is used again.
COPY requirements.txt ./
RUN pip install -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY include ./include
COPY plugins ./plugins
COPY dags ./dags
RUN pip install --no-deps --editable .

USER airflow
CMD ["airflow", "version"]
