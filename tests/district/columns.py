"""The columns and the manifest's files of each OneRoster version, in the order of the standard."""

from __future__ import annotations

VERSIONS = ("1.0", "1.1", "1.2")

_RECORD = ("sourcedId", "status", "dateLastModified")

_ORGS = (*_RECORD, "name", "type", "identifier", "parentSourcedId")
_SESSIONS = (*_RECORD, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear")
_COURSES = (
    *_RECORD, "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId", "subjects",
    "subjectCodes",
)  # fmt: skip
_CLASSES = (
    *_RECORD, "title", "grades", "courseSourcedId", "classCode", "classType", "location",
    "schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods",
)  # fmt: skip
_ENROLLMENTS = (
    *_RECORD, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary",
    "beginDate", "endDate",
)  # fmt: skip

COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "1.0": {
        "orgs": _ORGS,
        "academicSessions": _SESSIONS[:-1],
        "courses": (
            *_RECORD, "schoolYearId", "title", "courseCode", "grade", "orgSourcedId", "subjects",
        ),
        "classes": (
            *_RECORD, "title", "grade", "courseSourcedId", "classCode", "classType", "location",
            "schoolSourcedId", "termSourcedId", "subjects",
        ),
        "users": (
            *_RECORD, "orgSourcedIds", "role", "username", "userId", "givenName", "familyName",
            "identifier", "email", "sms", "phone", "agents",
        ),
        "enrollments": (
            "sourcedId", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "status",
            "dateLastModified", "primary",
        ),
    },
    "1.1": {
        "orgs": _ORGS,
        "academicSessions": _SESSIONS,
        "courses": _COURSES,
        "classes": _CLASSES,
        "users": (
            *_RECORD, "enabledUser", "orgSourcedIds", "role", "username", "userIds", "givenName",
            "familyName", "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds",
            "grades", "password",
        ),
        "enrollments": _ENROLLMENTS,
    },
    "1.2": {
        "orgs": _ORGS,
        "academicSessions": _SESSIONS,
        "courses": _COURSES,
        "classes": _CLASSES,
        "users": (
            *_RECORD, "enabledUser", "username", "userIds", "givenName", "familyName",
            "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades",
            "password", "userMasterIdentifier", "preferredGivenName", "preferredMiddleName",
            "preferredFamilyName", "primaryOrgSourcedId", "pronouns",
        ),
        "roles": (
            *_RECORD, "userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId",
            "userProfileSourcedId",
        ),
        "enrollments": _ENROLLMENTS,
    },
}  # fmt: skip
"""Version → file (without `.csv`) → its columns."""

_MANIFEST_1_1 = (
    "academicSessions", "categories", "classes", "classResources", "courses", "courseResources",
    "demographics", "enrollments", "lineItems", "orgs", "resources", "results", "users",
)  # fmt: skip

MANIFEST_FILES: dict[str, tuple[str, ...]] = {
    "1.1": _MANIFEST_1_1,
    "1.2": (
        *_MANIFEST_1_1, "lineItemLearningObjectiveIds", "lineItemScoreScales",
        "resultLearningObjectiveIds", "resultScoreScales", "roles", "scoreScales", "userProfiles",
        "userResources",
    ),
}  # fmt: skip
"""Version → every file that a manifest must list; 1.0 has no manifest."""
