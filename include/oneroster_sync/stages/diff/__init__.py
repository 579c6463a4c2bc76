"""Stage 3, diff: from valid rows and the roster to a frozen, hashed plan.

Only `stage` and `undo` touch a file or the database. `build` puts a plan together from `users`,
`courses` and `assignments`; `logins` settles who owns a login; `plan` is the plan itself and its
hash; `id_mappings` plans what people say of sourcedIds, `account_matching` what they may say of
accounts.
"""
