"""The shapes of requests and answers: what the OpenAPI document is made of."""

from oneroster_airflow.api.models.preferences import *  # noqa: F403  one namespace for all shapes
from oneroster_airflow.api.models.records import *  # noqa: F403
from oneroster_airflow.api.models.reports import *  # noqa: F403
from oneroster_airflow.api.models.runs import *  # noqa: F403
from oneroster_airflow.api.models.sites import *  # noqa: F403
