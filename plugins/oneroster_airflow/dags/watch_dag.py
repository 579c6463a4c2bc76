"""# OneRoster watch

Looks at every site that is not archived once a day, at 06:00 UTC. It needs no attention: it is here so that nobody has
to look every day whether something needs theirs.

**The tasks.**

| task | what it does | when it fails |
|---|---|---|
| expire | discards held plans that nobody decided in time (72 hours, unless the preferences say otherwise) | it is tried again by itself |
| tidy | deletes what has expired: files and findings of runs after 90 days, changes after seven years, unless `ONEROSTER_KEEP_…_DAYS` say otherwise | it is tried again the next day |
| tell | tells people what is due, by the ways that the preferences name | its log says by which way nothing could be sent; it is tried again after ten minutes, and the next day |
| test | sends a test message to one site, and only when asked to | its log says which way failed, and how |

**What people are told**, by this DAG or by the syncs themselves, each of one cause once:

| topic | told when | told again |
|---|---|---|
| held | a plan waits for a decision | never of the same plan |
| failed | a sync could not go on | after a sync that went well |
| rejected | a package can't be used | after a sync that went well |
| errors | as many rows as the site says have errors | after a sync with fewer, or with others |
| stale | nothing new has come for as many days as the site says; days of pause windows don't count | once a week |
| digest | a week is over; on Monday, or the next day on which it can be sent | the next week |

Messages name runs, counts and codes, and no person. This DAG also tells what a sync could tell by no
way when it happened.

**Who is told** is said in the preferences of each site: e-mail addresses, and Airflow connections
of Apprise (Slack, Teams, webhooks). E-mail goes by the connection `smtp_default`, which must name a
`from_email`:

```json
{"conn_type": "smtp", "host": "mail.example.org", "port": 465, "login": "…", "password": "…",
 "extra": {"from_email": "oneroster@example.org", "disable_tls": true}}
```

Use `"disable_ssl": true` in place of `disable_tls` for port 587. A connection of Apprise names its
services by [their URLs](https://github.com/caronc/apprise/wiki):

```json
{"conn_type": "apprise", "extra": {"config": {"path": "slack://…", "tag": "all"}}}
```

**Trigger it by hand** at any time: what was told is not told again. With `{"test_site": "default"}`
it sends a test message to the people of that site, and does nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from oneroster_airflow.dags.failures import RETRY_POLICY, FailedError, NotYetError
from oneroster_sync.sites import dag_names

A_TEST, NO_TEST = "a test message only", "no test message was asked for"


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
def tell() -> None:
    """Send all notifications that are due."""
    from oneroster_airflow import notifier
    from oneroster_sync.sites.dag_sites import site_names

    if test_site():
        raise AirflowSkipException(A_TEST)
    if missed := notifier.notify_of_sites(site_names(), now=datetime.now(UTC)):
        raise NotYetError(f"not everything could be told at: {', '.join(missed)}")


@task(retries=0)
def test() -> None:
    """Send a test message."""
    from oneroster_airflow import notifier

    site = test_site()
    if not site:
        raise AirflowSkipException(NO_TEST)
    sent = notifier.send_trial(site, now=datetime.now(UTC))
    if sent.failures or not sent.worked:
        why = "; ".join(sent.failures) or "its preferences name nobody to tell"
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
                description="A site whose people get a test message; nothing else is done then.",
            ),
        },
    ) as dag:
        expire()
        tidy()
        tell()
        test()
    return dag
