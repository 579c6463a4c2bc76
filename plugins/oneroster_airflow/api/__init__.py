"""The JSON API that the pages and other programs use, mounted at /oneroster in Airflow's server.

`app.create_app` assembles it. Every route declares its permission (`auth`), answers with a model
(`models`), and fails with a problem (`errors`). Routes call `oneroster_sync` for the product and
`airflow_db` for Airflow; they contain no decisions of their own.
"""
