"""Routes of a site: its preferences, whether it is enabled, and who changed it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import ValidationError

from oneroster_airflow.airflow_internals import GetUserDep
from oneroster_airflow.api import airflow_db, dag_pauses, models
from oneroster_airflow.api.auth import Actor, Administrator, Insider, May, Reader, permissions_of
from oneroster_airflow.api.errors import FieldProblem, Problem, field_problems, sentence
from oneroster_sync import database
from oneroster_sync.identifiers import PATTERN
from oneroster_sync.operations.threshold_examples import read_examples
from oneroster_sync.sites import allow_list, preferences_store, registry, schedule
from oneroster_sync.sites.preferences import SETTINGS, STORED, Preferences
from oneroster_sync.sites.school_year import propose_pause
from oneroster_sync.sites.thresholds import Guards

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from oneroster_sync.sites.preferences import Settings

router = APIRouter(tags=["sites"])

Site = Annotated[str, Path(pattern=PATTERN, description="Name of a site.")]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Months = Annotated[int, Query(ge=1, le=12, description="How many months.")]
_SHOWN = 5
_FOUND = 20


@router.get("/sites/{site}/preferences")
def read(site: Site, actor: Reader) -> models.PreferencesState:
    """Return a site's preferences, its next syncs, and whether it is enabled."""
    dag_pauses.settle()
    with database.engine().connect() as connection:
        return _preferences(connection, site, actor)


@router.put("/sites/{site}/preferences", responses={409: {"description": "Somebody else saved."}})
def save(
    site: Site, body: models.PreferencesSave, actor: Administrator, user: GetUserDep
) -> models.PreferencesState:
    """Save all of a site's preferences; Airflow computes the next run within seconds.

    Source, connection and channels must be allowed for this site by the deployment. If the
    deployment has no rule, only an administrator of all sites may name new ones.
    """
    # A missing setting would silently become its default, and undo a choice of another person.
    missing = [name for name in SETTINGS if name not in body.settings.model_fields_set]
    if missing:
        errors = [FieldProblem(field=name, message="This setting is required.") for name in missing]
        raise Problem(422, f"Not all settings are given: {', '.join(missing)}.", errors=errors)
    chosen = Preferences(site=site, version=body.version, **dict(body.settings))
    try:
        with database.engine().begin() as connection:
            preferences_store.load(connection, site)
            preferences_store.save(
                connection,
                chosen,
                actor=actor.name,
                now=dt.datetime.now(dt.UTC),
                everywhere=May.ADMINISTER in permissions_of(user, None),
            )
    except allow_list.NotAllowedError as error:
        wrong = [FieldProblem(field=f, message=sentence(why)) for f, why in error.fields.items()]
        detail = " ".join(problem.message for problem in wrong)
        raise Problem(422, detail, code="source.not_allowed", errors=wrong) from None
    except preferences_store.NoSuchAdminError:
        message = "No active account has this e-mail address."
        wrong = [FieldProblem(field="credited_admin", message=message)]
        raise Problem(422, "The credited administrator can't be used.", errors=wrong) from None
    except preferences_store.PreferencesConflictError:
        with database.engine().connect() as connection:
            theirs = _preferences(connection, site, actor)
        raise Problem(
            409,
            f"{theirs.saved_by} saved these preferences while you were changing them. "
            "Compare both, and save again what you want to keep.",
            code="preferences.conflict",
            current=theirs,
        ) from None
    airflow_db.ask_for_parse(site)
    dag_pauses.settle()
    with database.engine().connect() as connection:
        return _preferences(connection, site, actor)


@router.post("/sites/{site}/preferences/upcoming")
def upcoming(site: Site, body: models.Schedule, actor: Reader) -> models.UpcomingList:
    """Return the next syncs of an unsaved schedule."""
    del actor
    return models.UpcomingList(upcoming=_upcoming(_scheduled(site, body)))


@router.get("/sites/{site}/calendar")
def calendar(
    site: Site, actor: Reader, month: models.Month | None = None, months: Months = 1
) -> models.Calendar:
    """Return the days of some months, by default from this month, with their syncs and events."""
    del actor
    with database.engine().connect() as connection:
        chosen = preferences_store.load(connection, site)
    return _calendar(chosen, month, months)


@router.post("/sites/{site}/preferences/calendar")
def preview_calendar(site: Site, body: models.CalendarPreview, actor: Reader) -> models.Calendar:
    """Return the calendar of an unsaved schedule."""
    del actor
    return _calendar(_scheduled(site, body), body.month, body.months)


@router.post("/sites/{site}/preferences/thresholds")
def thresholds(site: Site, body: Guards, actor: Reader) -> models.ThresholdExamples:
    """Return the numbers of changes from which unsaved thresholds hold a plan."""
    del actor
    with database.engine().connect() as connection:
        found = read_examples(connection, site, body)
    return models.ThresholdExamples.model_validate(found, from_attributes=True)


@router.put(
    "/sites/{site}/enabled",
    responses={409: {"description": "Airflow does not know the site's DAG (yet)."}},
)
def enable(site: Site, body: models.Enabled, actor: Administrator) -> models.EnabledState:
    """Enable or disable scheduled syncs: this is the pause state of the scheduled DAG."""
    now = dt.datetime.now(dt.UTC)
    dag_pauses.settle()
    with database.engine().begin() as connection:
        preferences_store.load(connection, site)
        registry.refuse_archived(connection, site)
        event = "sync_enabled" if body.enabled else "sync_disabled"
        # In one transaction with the switch: if Airflow does not know the DAG, the event is rolled
        # back.
        preferences_store.note_event(connection, site, actor.name, event, {}, now=now)
        try:
            airflow_db.set_enabled(site, enabled=body.enabled)
        except airflow_db.NoDagError as error:
            raise Problem(409, f"{error}.", code="dag.unknown") from None
    state = airflow_db.dag_state(site)
    return models.EnabledState(enabled=body.enabled, next_run=state.next_run if state else None)


@router.get("/sites/{site}/preferences/saves")
def saves(
    site: Site, actor: Insider, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> models.Saves:
    """List the changes to a site's preferences with their authors, the newest first."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        found = preferences_store.events(connection, site, limit)
    return models.Saves(saves=[_save(event) for event in found])


@router.get("/sites/{site}/accounts")
def accounts(site: Site, actor: Administrator, q: Text = "") -> models.Accounts:
    """Find active accounts, to choose the credited administrator."""
    del actor
    with database.engine().connect() as connection:
        preferences_store.load(connection, site)
        found = preferences_store.accounts(connection, site, q, _FOUND)
    return models.Accounts(accounts=[models.Account(**account) for account in found])


def masked(email: str | None, actor: Actor) -> str | None:
    """Return an e-mail address, masked if the actor may not see it."""
    if email is None or actor.is_allowed(May.DETAILS):
        return email
    name, at, host = email.partition("@")
    return f"{name[:1]}…{at}{host}"


def _scheduled(site: str, body: models.Schedule) -> Preferences:
    """Return preferences with an unsaved schedule; its source is not checked."""
    given = {name: getattr(body, name) for name in models.Schedule.model_fields if name != "raised"}
    given |= {"site": site, "guards": Guards(raised=body.raised)}
    try:
        return Preferences.model_validate(given, context=STORED)
    except ValidationError as error:
        errors = field_problems(error.errors())
        raise Problem(422, "This schedule can't be used.", errors=errors) from None


def _calendar(chosen: Preferences, month: str | None, months: int) -> models.Calendar:
    now = dt.datetime.now(dt.UTC)
    first = dt.date.fromisoformat(f"{month}-01") if month else now.date().replace(day=1)
    # The last day is the one before the first of the month after, which needs no lengths of months.
    years, after = divmod(first.month - 1 + months, 12)
    last = dt.date(first.year + years, after + 1, 1) - dt.timedelta(days=1)
    days = schedule.list_days(chosen, first, last, now=now)
    return models.Calendar.model_validate({"days": days}, from_attributes=True)


def _preferences(connection: Connection, site: str, actor: Actor) -> models.PreferencesState:
    chosen = preferences_store.load(connection, site)
    saved = preferences_store.saved(connection, site)
    record = registry.find(connection, site)
    state = airflow_db.dag_state(site)
    proposed = propose_pause(connection, chosen, today=dt.datetime.now(dt.UTC).date())
    return models.PreferencesState(
        site=site,
        version=chosen.version,
        settings=_shown(chosen.settings(), actor),
        saved_at=saved.at,
        saved_by=saved.by,
        archived_at=record.archived_at if record else None,
        credited_admin_active=saved.admin_is_active,
        enabled=None if state is None else not state.is_paused,
        next_run=state.next_run if state else None,
        upcoming=_upcoming(chosen),
        proposed_pause=None
        if proposed is None
        else models.ProposedPause.model_validate(proposed, from_attributes=True),
    )


def _shown(settings: Settings, actor: Actor) -> Settings:
    """Return settings with e-mail addresses masked if the actor may not see them."""
    recipients = tuple(masked(address, actor) for address in settings.notices.recipients)
    values = {
        "credited_admin": masked(settings.credited_admin, actor),
        "notices": settings.notices.model_copy(update={"recipients": recipients}),
    }
    return settings.model_copy(update=values)


def _upcoming(chosen: Preferences) -> list[models.Upcoming]:
    lines = schedule.list_upcoming(chosen, dt.datetime.now(dt.UTC), _SHOWN)
    return [
        models.Upcoming(at=line.slot, skipped_because=line.skipped_because, notes=list(line.notes))
        for line in lines
    ]


def _save(event: dict[str, Any]) -> models.Save:
    changes = [
        models.FieldChange(field=name, before=before, after=after)
        for name, (before, after) in event["details"].items()
        if name not in {"version", "site"}
    ]
    return models.Save(at=event["at"], actor=event["actor"], event=event["event"], changes=changes)
