# One image for all of Airflow's services: the locked dependencies, our package, plugin and DAGs.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 50000 oneroster \
    && mkdir -p /opt/oneroster /var/lib/oneroster \
    && chown oneroster /var/lib/oneroster

WORKDIR /opt/oneroster
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY dags dags
COPY plugins plugins
COPY expectations expectations
RUN pip install --no-cache-dir --no-deps -e .

USER oneroster
ENV AIRFLOW_HOME=/var/lib/oneroster/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/oneroster/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/oneroster/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    ONEROSTER_HOME=/var/lib/oneroster
ENTRYPOINT ["airflow"]
