# The image of every Airflow service in docker-compose.yml. The slim one has Airflow without providers, so that only those of
# requirements.txt are there, in the versions that the tests ran with. DAGs, plugins and include/ are mounted, not copied.
FROM apache/airflow:slim-3.3.2-python3.11
COPY requirements.txt constraints.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt --constraint /tmp/constraints.txt \
 && python -c "import airflow.providers.celery, airflow.providers.fab, airflow.providers.postgres, psycopg, pyarrow, redis, s3fs"
