# One image for all of Airflow's services: what the lock pins, our package, plugin, DAGs and suites.
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm
# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}

# Volumes take over owner and mode of the folder that they are mounted at. Memory (tmpfs) takes over the
# mode alone and belongs to root, so the folder that compose puts into memory is one that all may write.
RUN useradd --create-home --uid 50000 oneroster \
    && install --directory --owner oneroster --group oneroster --mode 0750 \
        /var/lib/oneroster \
        /var/lib/oneroster/home \
        /var/lib/oneroster/logs \
        /var/lib/oneroster/storage \
        /var/lib/oneroster/temporary \
    && install --directory --owner oneroster --group oneroster --mode 1777 /var/lib/oneroster/airflow

WORKDIR /opt/oneroster

# The part of the lock that production needs: the same pins and hashes, without the tests' tools.
COPY deploy/requirements.txt deploy/requirements.txt
RUN pip install --no-cache-dir --require-hashes --no-deps -r deploy/requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY dags dags
COPY plugins plugins
COPY expectations expectations
COPY docs/guide docs/guide
COPY docs/reference docs/reference
COPY deploy/prepare.sh deploy/prepare.sh
# The lock's own setuptools builds it. A checkout under a strict umask would give files that the
# user of the services can't read.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q include plugins \
    && chmod -R a+rX .

USER 50000
ENV AIRFLOW_HOME=/var/lib/oneroster/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/oneroster/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/oneroster/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/lib/oneroster/logs \
    ONEROSTER_HOME=/var/lib/oneroster/home \
    PYTHONPATH=/opt/oneroster/plugins \
    PYTHONWARNINGS=ignore:GitWildMatchPattern:DeprecationWarning
CMD ["airflow", "version"]
