#!/usr/bin/env bash
# What must be there before Airflow's processes start. Runs at each `up`; what is there is left as it is.
set -euo pipefail

python -m deploy.databases
airflow db migrate
airflow users create --username admin --role Admin --firstname Airflow --lastname Admin --email admin@example.com --password "$ADMIN_PASSWORD"
python -m deploy.bucket
for pool in $(python -m include.list_pools); do
  airflow pools get "$pool" > /dev/null 2>&1 || airflow pools set "$pool" "$POOL_SLOTS" "heavy steps of partition_lifecycle at a time"
done
