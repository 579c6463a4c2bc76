"""Stage 3, diff: compare valid rows with the roster, and make a frozen, hashed plan.

Only `stage` and `undo` use files or the database. `build` makes a plan from `users`, `courses` and
`assignments`; `logins` resolves conflicts of logins; `plan` is the plan with its hash;
`id_mappings` plans changes of sourcedIds that people uploaded, and `account_matching` finds the
accounts that people may match.
"""
