"""# OneRoster watch

Checks every site that is not archived once a day, at 06:00 UTC, and notifies people if a site needs
attention. The DAG itself needs none.

**The tasks.**

| task | what it does | when it fails |
|---|---|---|
| expire | discards held plans without a decision in time (72 hours, unless the preferences say otherwise) | it is retried automatically |
| tidy | deletes expired data: files and findings of runs after 90 days, changes after seven years, unless `ONEROSTER_KEEP_…_DAYS` say otherwise | it is retried the next day |
| notify | sends notifications that are due, through the channels in the preferences | its log says which channel could not send; it is retried after ten minutes, and the next day |
| test | sends a test message to one site, only on request | its log says which channel failed, and why |

**Notifications**, from this DAG or from the syncs themselves, once for each cause:

| topic | sent when | sent again |
|---|---|---|
| held | a plan waits for a decision | never for the same plan |
| failed | a sync could not continue | after a successful sync |
| rejected | a package can't be used | after a successful sync |
| errors | the number of rows with errors reaches the site's limit | after a sync with fewer errors, or with others |
| unapplied | three syncs in a row were not applied, or a maintenance stops all syncs | once a week |
| stale | no new package has come for the site's number of days, without days of pause windows | once a week |
| digest | a week is over; on Monday, or on the next day on which it can be sent | the next week |

Messages contain runs, counts and codes, and no names of persons. This DAG also sends notifications that
a sync could not send through any channel.

**Recipients** are set in the preferences of each site: e-mail addresses, and Airflow connections of
Apprise (Slack, Teams, webhooks). E-mail uses the connection `smtp_default`, which must have a
`from_email`:

```json
{"conn_type": "smtp", "host": "mail.example.org", "port": 465, "login": "…", "password": "…",
 "extra": {"from_email": "oneroster@example.org", "disable_tls": true}}
```

Use `"disable_ssl": true` instead of `disable_tls` for port 587. A connection of Apprise contains
[the URLs](https://github.com/caronc/apprise/wiki) of its services:

```json
{"conn_type": "apprise", "extra": {"config": {"path": "slack://…", "tag": "all"}}}
```

**Trigger it by hand** at any time: a notification is never sent twice. With `{"test_site": "default"}`
it only sends a test message for that site.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from oneroster_airflow.dags.failures import RETRY_POLICY, FailedError, NotYetError
from oneroster_sync.sites import dag_names

A_TEST, NO_TEST = "a test message only", "no test message was requested"


def test_site() -> str | None:
    """Return the site that gets a test message, or None."""
    asked: str | None = get_current_context()["params"]["test_site"]
    return asked


@task
def expire() -> None:
    """Discard held plans whose decision time has passed."""
    from oneroster_sync.operations import approval

    if test_site():
        raise AirflowSkipException(A_TEST)
    approval.expire_due(datetime.now(UTC))


@task
def tidy() -> None:
    """Delete expired files, findings and changes."""
    from oneroster_sync import database
    from oneroster_sync.operations import retention
    from oneroster_sync.sites import registry

    if test_site():
        raise AirflowSkipException(A_TEST)
    with database.engine().connect() as connection:
        there = registry.all_sites(connection)
    for site in there:  # files of archived sites expire as well
        retention.delete_expired(site, now=datetime.now(UTC))


@task
def notify() -> None:
    """Send all notifications that are due."""
    from oneroster_airflow import notifier
    from oneroster_sync.sites.dag_sites import site_names

    if test_site():
        raise AirflowSkipException(A_TEST)
    if missed := notifier.notify_of_sites(site_names(), now=datetime.now(UTC)):
        raise NotYetError(f"some notifications could not be sent at: {', '.join(missed)}")


@task(retries=0)
def test() -> None:
    """Send a test message."""
    from oneroster_airflow import notifier

    site = test_site()
    if not site:
        raise AirflowSkipException(NO_TEST)
    sent = notifier.send_trial(site, now=datetime.now(UTC))
    if sent.failures or not sent.worked:
        why = "; ".join(sent.failures) or "its preferences name no recipients"
        raise FailedError(f"site {site}: {why}")


def watch_dag() -> DAG:
    """Return the DAG that checks every site once a day."""
    with DAG(
        dag_names.WATCH,
        dag_display_name="OneRoster watch",
        dagrun_timeout=timedelta(hours=12),
        description="Sends notifications that are due, and deletes what has expired",
        # A new installation waits for its first morning.
        schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        is_paused_upon_creation=False,
        default_args={
            "owner": "oneroster",
            "retries": 2,
            "retry_policy": RETRY_POLICY,
            "retry_delay": timedelta(minutes=10),
            "execution_timeout": timedelta(hours=3),
        },
        tags=["oneroster", "watch"],
        doc_md=__doc__,
        params={
            "test_site": Param(
                None,
                type=["null", "string"],
                minLength=1,
                title="Test message",
                description="A site that gets a test message; nothing else is done then.",
            ),
        },
    ) as dag:
        expire()
        tidy()
        notify()
        test()
    return dag
