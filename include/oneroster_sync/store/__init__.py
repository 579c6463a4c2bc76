"""The roster database: accounts, courses and course assignments, and the story of every run.

`database` connects and migrates, `roster` reads what the platform holds, `copying` moves Arrow
tables in and out, `runs` and `preferences` keep what their names say, `history` answers questions.
"""
